#include "heed/autograd/loops.h"

#include <algorithm>
#include <functional>

namespace heed {
namespace {

/// Neighbours that both step as one loop become one.
void append(std::vector<Loop>& loops, const Loop& next) {
  if (next.size == 1) return;
  if (!loops.empty() && loops.back().target == next.size * next.target &&
      loops.back().x == next.size * next.x) {
    loops.back() = {loops.back().size * next.size, next.target, next.x};
  } else {
    loops.push_back(next);
  }
}

}  // namespace

std::vector<Loop> loops_of(const Tensor& target, const Tensor& x) {
  std::vector<Loop> all, loops;
  for (int dim = 0; dim < target.rank(); ++dim) {
    all.push_back({target.size(dim), target.stride(dim), x.stride(dim)});
  }
  std::ranges::stable_sort(all, std::ranges::greater{}, &Loop::target);
  for (const Loop& loop : all) append(loops, loop);
  return loops;
}

}  // namespace heed
