#include "heed/text/byte_level.h"

#include <array>
#include <string>

#include "heed/text/unicode.h"

namespace heed {
namespace {

constexpr bool is_printable(int byte) {
  return (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
}

struct ByteTables {
  std::array<char32_t, 256> chars{};
  std::array<int16_t, 0x180> bytes{};

  constexpr ByteTables() {
    for (int16_t& byte : bytes) byte = -1;
    char32_t next = 0x100;
    for (int byte = 0; byte < 256; ++byte) {
      const char32_t c = is_printable(byte) ? static_cast<char32_t>(byte) : next++;
      chars[static_cast<size_t>(byte)] = c;
      bytes[c] = static_cast<int16_t>(byte);
    }
  }
};
constexpr ByteTables kTables;
static_assert(kTables.chars[' '] == kSpaceOfBytes);

void prefix_spaces(PiecedText& text) {
  rewrite_pieces(text, text.text.size() + text.pieces.size(),
                 [](const AlignedText& old, const Piece& piece, AlignedText& out) {
                   if (old.chars[piece.begin] != U' ') out.push_back(U' ', old.from[piece.begin]);
                   out.append(old, piece.begin, piece.end);
                 });
}

class ByteLevel final : public PreTokenizer {
 public:
  explicit ByteLevel(const ByteLevelOptions& options)
      : add_prefix_space_(options.add_prefix_space) {
    if (options.use_regex) {
      words_ = split_pre_tokenizer(Regex(kGpt2Pattern, "GPT-2's pattern"), SplitBehavior::isolated,
                                   /*invert=*/false);
    }
  }
  void apply(PiecedText& text) const override {
    if (add_prefix_space_) prefix_spaces(text);
    if (words_) words_->apply(text);
    rewrite_pieces(text, text.text.size() + text.text.size() / 8,
                   [](const AlignedText& old, const Piece& piece, AlignedText& out) {
                     append_byte_chars(old, piece.begin, piece.end, out);
                   });
  }

 private:
  bool add_prefix_space_;
  PreTokenizerPtr words_;
};

class ByteLevelDecoder final : public TokenDecoder {
 public:
  void apply(std::vector<std::string>& tokens) const override {
    std::string bytes;
    for (std::string& token : tokens) {
      if (bytes_of(token, bytes)) token.swap(bytes);
    }
  }

 private:
  static bool bytes_of(std::string_view token, std::string& bytes) {
    bytes.clear();
    for (const char32_t c : decode_utf8(token).chars) {
      const int byte = byte_of_char(c);
      if (byte < 0) return false;
      bytes += static_cast<char>(byte);
    }
    return true;
  }
};

}  // namespace

char32_t char_of_byte(uint8_t byte) { return kTables.chars[byte]; }

int byte_of_char(char32_t c) { return c < kTables.bytes.size() ? kTables.bytes[c] : -1; }

void append_byte_chars(const AlignedText& text, size_t begin, size_t end, AlignedText& out) {
  std::string bytes;
  for (size_t i = begin; i < end; ++i) {
    if (text.chars[i] < 0x80) {
      out.push_back(kTables.chars[text.chars[i]], text.from[i]);
      continue;
    }
    bytes.clear();
    append_utf8(bytes, text.chars[i]);
    for (const char byte : bytes) {
      out.push_back(char_of_byte(static_cast<uint8_t>(byte)), text.from[i]);
    }
  }
}

PreTokenizerPtr byte_level_pre_tokenizer(const ByteLevelOptions& options) {
  return std::make_unique<ByteLevel>(options);
}
DecoderPtr byte_level_decoder() { return std::make_unique<ByteLevelDecoder>(); }

}  // namespace heed
