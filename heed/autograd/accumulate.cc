#include "heed/autograd/accumulate.h"

#include <algorithm>
#include <vector>

#include "heed/autograd/loops.h"
#include "heed/base/error.h"
#include "heed/base/parallel.h"
#include "heed/kernels/elementwise.h"

namespace heed {
namespace {

constexpr int64_t kElementsPerTask = 1 << 13;

/// Outer dimensions in which rows of target are apart (`free`, for tasks) and in which they meet
/// (`sums`, inside of one).
struct Loops {
  std::vector<Loop> free;
  std::vector<Loop> sums;
  Loop row{1, 1, 1};
};

/// The innermost loop is the one whose target steps by 1, so that rows are added by vectors.
Loops order(const Tensor& target, const Tensor& x) {
  std::vector<Loop> loops = loops_of(target, x);
  Loops result;
  auto inner = std::ranges::find_if(loops, [](const Loop& l) { return l.target == 1 && l.x == 1; });
  if (inner == loops.end() && !loops.empty()) inner = loops.end() - 1;
  if (inner != loops.end()) {
    result.row = *inner;
    loops.erase(inner);
  }
  for (const Loop& loop : loops) (loop.target == 0 ? result.sums : result.free).push_back(loop);
  return result;
}

int64_t count(const std::vector<Loop>& loops) {
  int64_t all = 1;
  for (const Loop& loop : loops) all *= loop.size;
  return all;
}

/// Where iteration i of nested loops stands.
Loop at(const std::vector<Loop>& loops, int64_t i) {
  Loop place{0, 0, 0};
  for (size_t n = loops.size(); n-- > 0;) {
    place.target += i % loops[n].size * loops[n].target;
    place.x += i % loops[n].size * loops[n].x;
    i /= loops[n].size;
  }
  return place;
}

void add_row(float* target, const float* x, const Loop& row) {
  if (row.target == 1 && row.x == 1) return kernels::add(target, x, target, row.size);
  for (int64_t i = 0; i < row.size; ++i) target[i * row.target] += x[i * row.x];
}

}  // namespace

void accumulate(const Tensor& target, const Tensor& x) {
  HEED_ASSERT(target.shape() == x.shape());
  if (target.numel() == 0) return;
  const Loops loops = order(target, x);
  float* const to = target.data<float>();
  const float* const from = x.data<float>();
  // a single long row is cut (its elements are apart unless it is a sum)
  const int64_t cut = loops.row.target == 0 ? loops.row.size : kElementsPerTask;
  const int64_t cuts = (loops.row.size + cut - 1) / cut;
  const int64_t sums = count(loops.sums);
  const int64_t rows = count(loops.free) * cuts;
  const int64_t width = std::min(cut, loops.row.size) * sums;
  const int64_t together = std::max<int64_t>(1, kElementsPerTask / width);
  parallel_for((rows + together - 1) / together, [&](int64_t task, int) {
    for (int64_t i = task * together; i < std::min(rows, (task + 1) * together); ++i) {
      const Loop place = at(loops.free, i / cuts);
      const int64_t first = i % cuts * cut;
      const Loop row{std::min(cut, loops.row.size - first), loops.row.target, loops.row.x};
      for (int64_t sum = 0; sum < sums; ++sum) {
        const Loop term = at(loops.sums, sum);
        add_row(to + place.target + first * row.target, from + place.x + first * row.x + term.x,
                row);
      }
    }
  });
}

}  // namespace heed
