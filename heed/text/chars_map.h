#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace heed {

/// The rules of a SentencePiece normaliser (precompiled_charsmap): strings that become others, in
/// a double-array trie over UTF-8 bytes in the layout of darts-clone. Immutable: safe from many
/// threads.
class CharsMap {
 public:
  /// blob: the trie's size in bytes, the trie's units (all u32, little endian), then the
  /// replacements, each with a zero byte at its end. Error corrupt_data naming `where`.
  CharsMap(std::string_view blob, std::string_view where);

  struct Rule {
    size_t length;  // characters that it replaces
    std::u32string_view to;
  };
  /// The rule for a string that `text` begins with. Which one decides what a text becomes:
  /// SentencePiece takes the longest, the `tokenizers` library the shortest.
  std::optional<Rule> longest(std::u32string_view text) const;
  std::optional<Rule> shortest(std::u32string_view text) const;

 private:
  /// The node under `node` for c. A link of a broken file that leaves the trie leads nowhere.
  std::optional<uint32_t> child(uint32_t node, char32_t c) const;
  std::optional<uint32_t> child(uint32_t node, uint8_t byte) const;
  std::optional<std::u32string_view> replacement(uint32_t node) const;

  std::vector<uint32_t> units_;
  std::u32string replacements_;       // zeros between them
  std::vector<uint32_t> first_byte_;  // of each of their characters
};

}  // namespace heed
