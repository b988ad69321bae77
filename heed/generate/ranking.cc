#include "heed/generate/ranking.h"

namespace heed {

std::vector<int32_t> likeliest_ids(std::span<const float> scores, size_t count) {
  const auto before = [&](int32_t a, int32_t b) {
    const float x = scores[static_cast<size_t>(a)], y = scores[static_cast<size_t>(b)];
    return x != y ? x > y : a < b;
  };
  std::vector<int32_t> ids;  // a heap, the last of them in front
  ids.reserve(std::min(count, scores.size()));
  float least = -INFINITY;  // what a token must be above
  constexpr size_t kBlock = 64;
  for (size_t begin = 0; begin < scores.size() && count > 0; begin += kBlock) {
    const auto block = scores.subspan(begin, std::min(kBlock, scores.size() - begin));
    int above = 0;  // most blocks have none, and a loop without a branch is done in vectors
    for (const float score : block) above |= static_cast<int>(score > least);
    if (above == 0) continue;
    for (size_t i = 0; i < block.size(); ++i) {
      if (!(block[i] > least)) continue;
      if (ids.size() == count) {
        std::ranges::pop_heap(ids, before);
        ids.pop_back();
      }
      ids.push_back(static_cast<int32_t>(begin + i));
      std::ranges::push_heap(ids, before);
      if (ids.size() == count) least = scores[static_cast<size_t>(ids.front())];
    }
  }
  std::ranges::sort_heap(ids, before);
  return ids;
}

}  // namespace heed
