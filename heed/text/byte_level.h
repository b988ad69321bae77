#pragma once

#include <cstdint>
#include <string_view>

#include "heed/text/decoder.h"
#include "heed/text/pre_tokenizer.h"

namespace heed {

/// Bytes as printable characters, so that any text is made of 256 of them (Radford et al. 2019,
/// GPT-2's encoder): a printable byte of Latin-1 is itself, the others are U+0100 and on in order.
char32_t char_of_byte(uint8_t byte);
/// The byte that a character stands for; -1 for a character that is none of the 256.
int byte_of_char(char32_t c);
/// The character of the space, the G with a dot in "Gworld".
inline constexpr char32_t kSpaceOfBytes = 0x120;

/// How GPT-2 cuts words: contractions, letters, numbers, other signs, each with one space before.
inline constexpr std::u32string_view kGpt2Pattern =
    U"'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

struct ByteLevelOptions {
  bool add_prefix_space = false;  // a space before every piece that begins with none
  bool use_regex = true;          // cut as GPT-2
};
/// Cuts pieces and rewrites them in the characters of their UTF-8 bytes.
PreTokenizerPtr byte_level_pre_tokenizer(const ByteLevelOptions& options);
/// Appends characters [begin, end) of `text`, each as the characters of its bytes.
void append_byte_chars(const AlignedText& text, size_t begin, size_t end, AlignedText& out);
/// Back to bytes; a token that has other characters too is taken as it is.
DecoderPtr byte_level_decoder();

}  // namespace heed
