#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "heed/text/unicode_tables.h"

namespace heed {

inline constexpr char32_t kReplacementCharacter = 0xFFFD;

/// A UTF-8 text as code points. byte_starts has one entry more than chars: character i lies in
/// bytes [byte_starts[i], byte_starts[i + 1]) of the text as given.
struct DecodedText {
  std::u32string chars;
  std::vector<uint32_t> byte_starts;
};

/// Each longest part of `text` that cannot be UTF-8 becomes one U+FFFD, as in Python's
/// bytes.decode("utf-8", "replace"). Error invalid_argument from 2 GiB on.
DecodedText decode_utf8(std::string_view text);

void append_utf8(std::string& out, char32_t c);
std::string to_utf8(std::u32string_view chars);
bool is_valid_utf8(std::string_view text);
/// How many bytes at the beginning are UTF-8: where the first fault lies, or the text's size.
size_t valid_utf8_bytes(std::string_view text);
/// How many bytes at the end of `text` begin a character that more bytes could complete: 0 to 3.
size_t unfinished_utf8(std::string_view text);

bool is_class(char32_t c, CodePointClass kind);
inline bool is_whitespace(char32_t c) {
  return c < 0x80 ? c == U' ' || (c >= U'\t' && c <= U'\r')
                  : is_class(c, CodePointClass::whitespace);
}
inline bool is_punctuation(char32_t c) { return is_class(c, CodePointClass::punctuation); }
/// \w of regular expressions.
inline bool is_word(char32_t c) { return is_class(c, CodePointClass::word); }

inline constexpr int kNoScript = -1;
/// A number for the script of c as the pre-tokenizer UnicodeScripts sees it (kana and Han are one);
/// kNoScript for a space and what it does not know.
int script_of(char32_t c);

/// The simple lower case of c, without context (a final sigma stays U+03C3).
char32_t simple_lower(char32_t c);
/// U+0130 is the one character whose full lower case is longer: "i" and U+0307.
inline constexpr char32_t kCapitalIWithDot = 0x130;

}  // namespace heed
