#include "heed/text/chars_map.h"

#include <fmt/format.h>

#include <algorithm>

#include "heed/base/error.h"
#include "heed/text/unicode.h"

namespace heed {
namespace {

uint32_t read_u32(std::string_view bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) {
    value |= uint32_t{static_cast<uint8_t>(bytes[at + i])} << (8 * i);
  }
  return value;
}

// A unit of darts-clone: its label (with the top bit of a value, which no byte has), where its
// children lie, whether a key ends there, and what a value unit holds.
uint32_t label_of(uint32_t unit) { return unit & 0x800000FFU; }
uint32_t offset_of(uint32_t unit) { return unit >> 10 << ((unit & 0x200U) >> 6); }
bool ends_key(uint32_t unit) { return (unit >> 8 & 1) != 0; }
uint32_t value_of(uint32_t unit) { return unit & 0x7FFFFFFFU; }

}  // namespace

CharsMap::CharsMap(std::string_view blob, std::string_view where) {
  const auto fail = [&](const std::string& found) {
    throw Error(ErrorCode::corrupt_data,
                fmt::format("{}: needed a map of characters, found {}", where, found));
  };
  if (blob.size() < 4) fail(fmt::format("{} bytes", blob.size()));
  const size_t trie = read_u32(blob, 0);
  if (trie > blob.size() - 4 || trie % 4 != 0 || trie == 0) {
    fail(fmt::format("a trie of {} bytes in {}", trie, blob.size()));
  }
  units_.resize(trie / 4);
  for (size_t i = 0; i < units_.size(); ++i) units_[i] = read_u32(blob, 4 + 4 * i);
  const std::string_view rest = blob.substr(4 + trie);
  if (!is_valid_utf8(rest)) fail("replacements that are not UTF-8");
  DecodedText decoded = decode_utf8(rest);
  replacements_ = std::move(decoded.chars);
  first_byte_ = std::move(decoded.byte_starts);
}

std::optional<uint32_t> CharsMap::child(uint32_t node, uint8_t byte) const {
  const uint32_t next = node ^ offset_of(units_[node]) ^ byte;
  if (next >= units_.size() || label_of(units_[next]) != byte || byte == 0) return std::nullopt;
  return next;
}

std::optional<uint32_t> CharsMap::child(uint32_t node, char32_t c) const {
  if (c < 0x80) return child(node, static_cast<uint8_t>(c));
  std::string bytes;
  append_utf8(bytes, c);
  for (const char byte : bytes) {
    const auto next = child(node, static_cast<uint8_t>(byte));
    if (!next) return std::nullopt;
    node = *next;
  }
  return node;
}

std::optional<std::u32string_view> CharsMap::replacement(uint32_t node) const {
  if (!ends_key(units_[node])) return std::nullopt;
  const uint32_t at = node ^ offset_of(units_[node]);
  if (at >= units_.size()) return std::nullopt;
  const auto first = std::lower_bound(first_byte_.begin(), first_byte_.end(), value_of(units_[at]));
  if (first == first_byte_.end()) return std::nullopt;
  const std::u32string_view rest =
      std::u32string_view(replacements_).substr(static_cast<size_t>(first - first_byte_.begin()));
  return rest.substr(0, rest.find(U'\0'));
}

std::optional<CharsMap::Rule> CharsMap::longest(std::u32string_view text) const {
  std::optional<Rule> found;
  std::optional<uint32_t> node = 0;
  for (size_t i = 0; i < text.size() && (node = child(*node, text[i])); ++i) {
    if (const auto to = replacement(*node)) found = Rule{i + 1, *to};
  }
  return found;
}

std::optional<CharsMap::Rule> CharsMap::shortest(std::u32string_view text) const {
  std::optional<uint32_t> node = 0;
  for (size_t i = 0; i < text.size() && (node = child(*node, text[i])); ++i) {
    if (const auto to = replacement(*node)) return Rule{i + 1, *to};
  }
  return std::nullopt;
}

}  // namespace heed
