#include "heed/text/unicode.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <limits>

#include "heed/base/error.h"

namespace heed {
namespace {

constexpr size_t kBlock = 256;
constexpr size_t kBlocks = 0x110000 / kBlock;

// One bit a class and code point, in blocks of 256 of which all untouched ones are block 0.
class ClassTable {
 public:
  ClassTable() : blocks_(1) {
    for (int kind = 0; kind < kCodePointClasses; ++kind) {
      for (const CodePointRange& range : code_points_of(static_cast<CodePointClass>(kind))) {
        mark(range, static_cast<uint8_t>(1U << kind));
      }
    }
  }
  uint8_t operator[](char32_t c) const {
    return c < 0x110000 ? blocks_[block_of_[c / kBlock]][c % kBlock] : 0;
  }

 private:
  void mark(const CodePointRange& range, uint8_t bit) {
    for (char32_t c = range.first; c <= range.last;) {
      uint16_t& block = block_of_[c / kBlock];
      if (block == 0) {
        block = static_cast<uint16_t>(blocks_.size());
        blocks_.emplace_back();
      }
      const char32_t end = std::min<char32_t>(range.last + 1, (c / kBlock + 1) * kBlock);
      for (; c < end; ++c) blocks_[block][c % kBlock] |= bit;
    }
  }
  std::array<uint16_t, kBlocks> block_of_{};
  std::vector<std::array<uint8_t, kBlock>> blocks_;
};

struct Sequence {
  char32_t c;
  uint32_t bytes;
  bool valid;
};

constexpr Sequence bad(uint32_t bytes) { return {kReplacementCharacter, bytes, false}; }

// The sequence that starts at text[at], by table 3-7 of the Unicode standard: the second byte's
// range depends on the first, so that overlong forms and surrogates end after one byte.
Sequence next_sequence(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[at + i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return {first, 1, true};
  if (first < 0xC2 || first > 0xF4) return bad(1);
  const uint32_t length = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
  const uint8_t low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const uint8_t high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  char32_t c = first & (0xFFU >> (length + 1));
  for (uint32_t i = 1; i < length; ++i) {
    if (at + i >= text.size()) return bad(i);
    const uint8_t next = byte(i);
    if (i == 1 ? next < low || next > high : (next & 0xC0) != 0x80) return bad(i);
    c = (c << 6) | (next & 0x3FU);
  }
  return {c, length, true};
}

}  // namespace

DecodedText decode_utf8(std::string_view text) {
  if (text.size() >= static_cast<size_t>(std::numeric_limits<int32_t>::max())) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("tokenize: a text must be below 2 GiB but has {} bytes; give it in "
                            "parts",
                            text.size()));
  }
  DecodedText out;
  out.chars.resize(text.size());
  out.byte_starts.resize(text.size() + 1);
  size_t count = 0;
  for (size_t at = 0; at < text.size();) {
    const Sequence next = next_sequence(text, at);
    out.chars[count] = next.c;
    out.byte_starts[count++] = static_cast<uint32_t>(at);
    at += next.bytes;
  }
  out.chars.resize(count);
  out.byte_starts.resize(count + 1);
  out.byte_starts[count] = static_cast<uint32_t>(text.size());
  return out;
}

void append_utf8(std::string& out, char32_t c) {
  const auto tail = [&](int shift) {
    out += static_cast<char>(0x80U | (static_cast<uint32_t>(c) >> shift & 0x3FU));
  };
  if (c < 0x80) {
    out += static_cast<char>(c);
  } else if (c < 0x800) {
    out += static_cast<char>(0xC0U | c >> 6);
    tail(0);
  } else if (c < 0x10000) {
    out += static_cast<char>(0xE0U | c >> 12);
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0U | c >> 18);
    tail(12);
    tail(6);
    tail(0);
  }
}

std::string to_utf8(std::u32string_view chars) {
  std::string out;
  out.reserve(chars.size());
  for (const char32_t c : chars) append_utf8(out, c);
  return out;
}

bool is_valid_utf8(std::string_view text) { return valid_utf8_bytes(text) == text.size(); }

size_t valid_utf8_bytes(std::string_view text) {
  for (size_t at = 0; at < text.size();) {
    const Sequence next = next_sequence(text, at);
    if (!next.valid) return at;
    at += next.bytes;
  }
  return text.size();
}

size_t unfinished_utf8(std::string_view text) {
  // a character's first byte is among the last three if the character is not complete
  for (size_t back = 1; back <= std::min<size_t>(3, text.size()); ++back) {
    const auto byte = static_cast<uint8_t>(text[text.size() - back]);
    if ((byte & 0xC0) == 0x80) continue;
    const size_t needed = byte >= 0xF0 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC0 ? 2 : 1;
    // bytes that no character has here make the sequence end before the text does
    const bool open = needed > back && next_sequence(text, text.size() - back).bytes == back;
    const bool first_byte_may_be = byte >= 0xC2 && byte <= 0xF4;
    return open && first_byte_may_be ? back : 0;
  }
  return 0;
}

bool is_class(char32_t c, CodePointClass kind) {
  static const ClassTable table;
  return (table[c] >> static_cast<int>(kind) & 1) != 0;
}

int script_of(char32_t c) {
  const std::span<const ScriptRange> ranges = script_ranges();
  const auto after = std::ranges::upper_bound(ranges, c, {}, &ScriptRange::first);
  if (after == ranges.begin()) return kNoScript;
  const ScriptRange& range = *std::prev(after);
  return c <= range.last ? range.script : kNoScript;
}

char32_t simple_lower(char32_t c) {
  if (c < 0x80) return c >= U'A' && c <= U'Z' ? c + 32 : c;
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
}

}  // namespace heed
