#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace heed {

/// Pieces by id and ids by piece. Look-ups take characters and a hash that grows by one character
/// at a time, so that a search over all prefixes of a word hashes the word once.
class Vocabulary {
 public:
  using Hash = uint64_t;
  static constexpr Hash kEmpty = 0x9E3779B97F4A7C15;
  static constexpr Hash extend(Hash hash, char32_t c) {
    return (hash ^ c) * 0x00000100000001B3 ^ hash >> 29;
  }
  static Hash hash_of(std::u32string_view chars, Hash start = kEmpty);

  Vocabulary() = default;
  /// pieces[id]. `where` names the file in errors. Error corrupt_data for a piece that stands twice
  /// or is not UTF-8.
  Vocabulary(std::vector<std::string> pieces, std::string_view where);

  int64_t size() const { return static_cast<int64_t>(pieces_.size()); }
  /// Error invalid_argument outside [0, size()).
  const std::string& piece(int32_t id) const;
  std::optional<int32_t> find(std::string_view piece) const;
  /// The piece prefix + chars, whose hash is `hash`.
  std::optional<int32_t> find(Hash hash, std::u32string_view prefix,
                              std::u32string_view chars) const;
  /// The longest piece's length.
  size_t longest_chars() const { return longest_chars_; }

 private:
  size_t slot_of(Hash hash) const { return (hash ^ hash >> 32) & (slots_.size() - 1); }

  struct Slot {
    uint32_t tag = 0;  // the hash's upper half
    int32_t id = -1;
  };
  std::vector<std::string> pieces_;
  std::vector<Slot> slots_;  // open addressing, at most half full
  size_t longest_chars_ = 0;
};

/// The ids of the pieces of byte fallback, <0x00> to <0xFF>; -1 for one that is missing.
std::vector<int32_t> byte_ids(const Vocabulary& vocabulary);

}  // namespace heed
