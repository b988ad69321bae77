#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace heed {

/// Strings with a value each, walked character by character. The children of a node lie side by
/// side in order of their character. Immutable: safe from many threads.
class PieceTrie {
 public:
  PieceTrie() = default;
  /// The strings must be distinct and not empty, the values not negative.
  explicit PieceTrie(std::vector<std::pair<std::u32string, int32_t>> strings);

  static constexpr uint32_t kRoot = 0;
  /// kRoot if there is none.
  uint32_t child(uint32_t node, char32_t c) const {
    if (node == kRoot && c < first_.size()) return first_[c];
    return search(node, c);
  }
  /// -1 where no string ends.
  int32_t value(uint32_t node) const { return nodes_[node].value; }

 private:
  struct Node {
    char32_t c = 0;
    int32_t value = -1;
    uint32_t children = 0;  // the first of them; they end where the next node's begin
  };
  uint32_t search(uint32_t node, char32_t c) const;

  std::vector<Node> nodes_ = std::vector<Node>(2);  // the last one only ends the children before
  std::vector<uint32_t> first_;                     // the root's children for common characters
};

}  // namespace heed
