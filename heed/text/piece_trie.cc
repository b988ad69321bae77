#include "heed/text/piece_trie.h"

#include <algorithm>

#include "heed/base/error.h"

namespace heed {
namespace {

/// Scripts with an alphabet, and the mark U+2581 of a word's start.
constexpr char32_t kCommon = 0x2600;

/// The strings that lead through a node, which has their first `depth` characters.
struct Range {
  size_t begin;
  size_t end;
  size_t depth;
};

}  // namespace

PieceTrie::PieceTrie(std::vector<std::pair<std::u32string, int32_t>> strings) {
  std::sort(strings.begin(), strings.end());
  nodes_.assign(1, {});
  std::vector<Range> ranges = {{0, strings.size(), 0}};
  for (size_t node = 0; node < nodes_.size(); ++node) {  // level by level: children are neighbours
    auto [begin, end, depth] = ranges[node];
    nodes_[node].children = static_cast<uint32_t>(nodes_.size());
    if (begin < end && strings[begin].first.size() == depth) {
      HEED_ASSERT(depth > 0 && strings[begin].second >= 0);
      nodes_[node].value = strings[begin++].second;
    }
    while (begin < end) {
      const char32_t c = strings[begin].first[depth];
      size_t next = begin + 1;
      while (next < end && strings[next].first[depth] == c) ++next;
      nodes_.push_back({.c = c});
      ranges.push_back({begin, next, depth + 1});
      begin = next;
    }
  }
  nodes_.push_back({.children = static_cast<uint32_t>(nodes_.size())});
  std::vector<uint32_t> first(kCommon);
  for (char32_t c = 0; c < kCommon; ++c) first[c] = search(kRoot, c);
  first_ = std::move(first);
}

uint32_t PieceTrie::search(uint32_t node, char32_t c) const {
  const auto begin = nodes_.begin() + nodes_[node].children;
  const auto end = nodes_.begin() + nodes_[node + 1].children;
  const auto at =
      std::lower_bound(begin, end, c, [](const Node& a, char32_t b) { return a.c < b; });
  return at != end && at->c == c ? static_cast<uint32_t>(at - nodes_.begin()) : kRoot;
}

}  // namespace heed
