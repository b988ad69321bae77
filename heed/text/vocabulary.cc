#include "heed/text/vocabulary.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/text/unicode.h"

namespace heed {
namespace {

uint32_t tag_of(Vocabulary::Hash hash) { return static_cast<uint32_t>(hash >> 32); }

// Whether text (valid UTF-8) begins with chars; text loses them.
bool consume(std::string_view& text, std::u32string_view chars) {
  std::string character;
  for (const char32_t c : chars) {
    if (c < 0x80) {
      if (text.empty() || text.front() != static_cast<char>(c)) return false;
      text.remove_prefix(1);
      continue;
    }
    character.clear();
    append_utf8(character, c);
    if (!text.starts_with(character)) return false;
    text.remove_prefix(character.size());
  }
  return true;
}

}  // namespace

Vocabulary::Hash Vocabulary::hash_of(std::u32string_view chars, Hash start) {
  for (const char32_t c : chars) start = extend(start, c);
  return start;
}

Vocabulary::Vocabulary(std::vector<std::string> pieces, std::string_view where)
    : pieces_(std::move(pieces)), slots_(std::bit_ceil(2 * pieces_.size() + 1)) {
  for (size_t id = 0; id < pieces_.size(); ++id) {
    if (!is_valid_utf8(pieces_[id])) {
      throw Error(ErrorCode::corrupt_data,
                  fmt::format("{}: the piece of id {} is not UTF-8", where, id));
    }
    const std::u32string chars = decode_utf8(pieces_[id]).chars;
    longest_chars_ = std::max(longest_chars_, chars.size());
    const Hash hash = hash_of(chars);
    if (const auto first = find(hash, {}, chars)) {
      throw Error(ErrorCode::corrupt_data,
                  fmt::format("{}: the piece {} has two ids, {} and {}; ids must be unique", where,
                              in_quotes(pieces_[id]), *first, id));
    }
    size_t slot = slot_of(hash);
    while (slots_[slot].id >= 0) slot = (slot + 1) & (slots_.size() - 1);
    slots_[slot] = {tag_of(hash), static_cast<int32_t>(id)};
  }
}

const std::string& Vocabulary::piece(int32_t id) const {
  if (id < 0 || id >= size()) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("token of id {}: ids must be in [0, {}), the vocabulary's size", id, size()));
  }
  return pieces_[static_cast<size_t>(id)];
}

std::optional<int32_t> Vocabulary::find(std::string_view piece) const {
  const std::u32string chars = decode_utf8(piece).chars;
  return find(hash_of(chars), {}, chars);
}

std::optional<int32_t> Vocabulary::find(Hash hash, std::u32string_view prefix,
                                        std::u32string_view chars) const {
  if (slots_.empty()) return std::nullopt;
  for (size_t slot = slot_of(hash); slots_[slot].id >= 0; slot = (slot + 1) & (slots_.size() - 1)) {
    if (slots_[slot].tag != tag_of(hash)) continue;
    std::string_view text = pieces_[static_cast<size_t>(slots_[slot].id)];
    if (consume(text, prefix) && consume(text, chars) && text.empty()) return slots_[slot].id;
  }
  return std::nullopt;
}

std::vector<int32_t> byte_ids(const Vocabulary& vocabulary) {
  std::vector<int32_t> ids;
  for (int byte = 0; byte < 256; ++byte) {
    ids.push_back(vocabulary.find(fmt::format("<0x{:02X}>", byte)).value_or(-1));
  }
  return ids;
}

}  // namespace heed
