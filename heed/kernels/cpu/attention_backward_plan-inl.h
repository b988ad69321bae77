// What attention's backward asks for ahead of use.
// Included once for each Highway target.
#if defined(HEED_KERNELS_CPU_ATTENTION_BACKWARD_PLAN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_ATTENTION_BACKWARD_PLAN_INL_H_
#undef HEED_KERNELS_CPU_ATTENTION_BACKWARD_PLAN_INL_H_
#else
#define HEED_KERNELS_CPU_ATTENTION_BACKWARD_PLAN_INL_H_
#endif

#include <algorithm>
#include <cstdint>

#include "heed/kernels/cpu/attention_backward_block-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

/// Calls of RowsAhead::some() beside the products of these queries.
HWY_INLINE int64_t looks_of(const Block& block, const Queries& queries) {
  const int64_t d = block.problem.head_dim, e = block.problem.value_dim;
  int64_t looks = queries.n / kRows * ((d + kTile - 1) / kTile);
  for (int64_t i = 0; i < block.count; ++i) {
    const KeyRange rows = queries.rows_of(block.tiles[i]);
    if (rows.begin < rows.end) looks += (2 * (rows.end - rows.begin) + d + e) / kRows;
  }
  return looks;
}

/// What to ask for beside the products of these queries: what they and their keys give, then the
/// next queries of their head or group or, beside the last, what the next call of a thread that
/// goes over keys and then heads begins with.
void plan_ahead(const Block& block, const Queries& queries) {
  const AttentionProblem& problem = block.problem;
  const AttentionGradients& to = block.to;
  const int64_t b = block.b, g = block.g;
  const int64_t group = problem.heads / problem.kv_heads;
  const bool last_block = queries.first + queries.n == problem.queries;
  const bool last = last_block && queries.h + 1 == (g + 1) * group;
  const bool more = block.keys.end < problem.keys;
  const int64_t h = queries.h + (last_block ? 1 : 0) - (last && more ? group : 0);
  RowsAhead& ahead = block.ahead;
  ahead.clear();
  if (h < problem.heads) {
    const int64_t first = last_block ? 0 : queries.first + queries.n;
    const int64_t end = std::min(first + kBackwardQueries, problem.queries);
    ahead.add(to.dy, b, h, first, end, problem.value_dim);
    ahead.add(problem.q, b, h, first, end, problem.head_dim);
  }
  if (last && h < problem.heads) {
    const int64_t first = more ? block.keys.end : 0;
    const int64_t end = std::min(first + block.keys.end - block.keys.begin, problem.keys);
    ahead.add(problem.v, b, h / group, first, end, problem.value_dim);
    ahead.add(problem.k, b, h / group, first, end, problem.head_dim);
  }
  if (last) {
    ahead.add(to.dv, b, g, block.keys.begin, block.keys.end, problem.value_dim);
    ahead.add(to.dk, b, g, block.keys.begin, block.keys.end, problem.head_dim);
  }
  ahead.add(to.dq, b, queries.h, queries.first, queries.first + queries.n, problem.head_dim);
  ahead.spread(looks_of(block, queries));
}

}  // namespace
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
