// Scores of one query a head: q . k, summed over the lanes. Included once for each Highway target.
#if defined(HEED_KERNELS_CPU_ATTENTION_DECODE_SCORES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_ATTENTION_DECODE_SCORES_INL_H_
#undef HEED_KERNELS_CPU_ATTENTION_DECODE_SCORES_INL_H_
#else
#define HEED_KERNELS_CPU_ATTENTION_DECODE_SCORES_INL_H_
#endif

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "heed/kernels/cpu/attention_decode_products-inl.h"
#include "heed/kernels/cpu/targets.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

template <class Products>
void take_queries(const Group& group) {
  const Task& task = group.task;
  const AttentionProblem& problem = task.problem;
  std::fill_n(group.q(0), task.heads * task.q_pitch, 0.0F);
  for (int64_t i = 0; i < task.heads; ++i) {
    for (int64_t d = 0; d < problem.head_dim; ++d) {
      Products::pack_query(problem.q.value(task.b, group.head(i), 0, d) * task.scale.queries, d,
                           group.q(i));
    }
  }
}

/// The four sums over the lanes, in an order that the number of lanes fixes, times scale.
HWY_INLINE void store_sums(const Vector (&x)[kKeys], float scale, float* to) {
  const Floats f;
  const hn::Repartition<double, Floats> pair;
  const hn::Full128<float> block;
  const auto halves = [&](Vector a, Vector b) HWY_ATTR {
    return hn::BitCast(pair, hn::Add(hn::InterleaveLower(f, a, b), hn::InterleaveUpper(f, a, b)));
  };
  const auto ab = halves(x[0], x[1]);
  const auto cd = halves(x[2], x[3]);
  const Vector sums = hn::Add(hn::BitCast(f, hn::InterleaveLower(pair, ab, cd)),
                              hn::BitCast(f, hn::InterleaveUpper(pair, ab, cd)));
  HWY_ALIGN float lanes[kLanes];
  hn::Store(sums, f, lanes);
  auto sum = hn::Load(block, lanes);
  for (int64_t i = 4; i < kLanes; i += 4) sum = hn::Add(sum, hn::Load(block, lanes + i));
  hn::StoreU(hn::Mul(sum, hn::Set(block, scale)), block, to);
}

/// Scores of kHeads heads from `first` on and kKeys keys from `key` on.
template <class Products, class Fetch, int kHeads>
HWY_INLINE void score_keys(const Group& group, int64_t first, int64_t key) {
  const Task& task = group.task;
  const std::byte* rows[kKeys];
  Coming next[kKeys];
  const int64_t ahead = task.in_turns ? Fetch::kKeysInTurns : Fetch::kRows;
  for (int64_t s = 0; s < kKeys; ++s) {
    rows[s] = task.keys[key + s] + group.key_offset;
    next[s] = coming(task.keys + key + s, ahead, group.key_offset);
  }
  const Floats f;
  Vector sums[kHeads][kKeys];
  HEED_UNROLL
  for (int h = 0; h < kHeads; ++h) {
    HEED_UNROLL
    for (int s = 0; s < kKeys; ++s) sums[h][s] = hn::Zero(f);
  }
  const float* q = group.q(first);
  const int64_t pitch = task.q_pitch;
  constexpr int64_t kSize = size_of(Products::kElement);
  for_pairs(task.problem.head_dim, [&](int64_t d, int64_t n) HWY_ATTR {
    typename Products::Row keys[kKeys] = {};
    HEED_UNROLL
    for (int s = 0; s < kKeys; ++s) {
      fetch_lines<Fetch, kPair * kSize>(next[s], d * kSize);
      keys[s] = Products::key(rows[s] + d * kSize, n);
    }
    HEED_UNROLL
    for (int h = 0; h < kHeads; ++h) {
      const auto query = Products::query(q + h * pitch, d);
      HEED_UNROLL
      for (int s = 0; s < kKeys; ++s) sums[h][s] = Products::add(sums[h][s], query, keys[s]);
    }
  });
  for (int h = 0; h < kHeads; ++h) {
    store_sums(sums[h], task.scale.scores, group.scores(first + h) + key);
  }
}

}  // namespace
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
