// Outputs of one query a head: weights times values. Included once for each Highway target.
#if defined(HEED_KERNELS_CPU_ATTENTION_DECODE_VALUES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_ATTENTION_DECODE_VALUES_INL_H_
#undef HEED_KERNELS_CPU_ATTENTION_DECODE_VALUES_INL_H_
#else
#define HEED_KERNELS_CPU_ATTENTION_DECODE_VALUES_INL_H_
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

/// Sums of kHeads heads and kPairs pairs of columns.
template <int kHeads, int kPairs>
using Sums = Pair[kHeads][kPairs];

/// sums += weights . values of Products::kTogether keys, for heads whose weights lie
/// kAttentionChunk apart; `columns` of a pair are there.
template <class Products, class Fetch, int kHeads, int kPairs>
HWY_INLINE void add_keys(const float* weights, const std::byte* const* rows, int64_t ahead,
                         int64_t offset, int64_t columns, Sums<kHeads, kPairs>& sums) {
  constexpr int64_t kBytes = kPair * size_of(Products::kElement);
  const Floats f;
  Pair values[kPairs] = {};
  Coming next[Products::kTogether];
  for (int64_t k = 0; k < Products::kTogether; ++k) next[k] = coming(rows + k, ahead, offset);
  HEED_UNROLL
  for (int i = 0; i < kPairs; ++i) {
    for (const Coming& row : next) fetch_lines<Fetch, kBytes>(row, i * kBytes);
    values[i] = Products::values(rows, offset + i * kBytes, columns);
  }
  HEED_UNROLL
  for (int h = 0; h < kHeads; ++h) {
    const Vector weight = hn::Set(f, weights[h * kAttentionChunk]);
    HEED_UNROLL
    for (int i = 0; i < kPairs; ++i) {
      sums[h][i].a = Products::weigh(weight, values[i].a, sums[h][i].a);
      sums[h][i].b = Products::weigh(weight, values[i].b, sums[h][i].b);
    }
  }
}

/// f(sum, where it stands) for sums of heads whose outputs lie `pitch` apart.
template <int kHeads, int kPairs, class F>
HWY_INLINE void for_sums(Sums<kHeads, kPairs>& sums, float* out, int64_t pitch, const F& f) {
  HEED_UNROLL
  for (int h = 0; h < kHeads; ++h) {
    HEED_UNROLL
    for (int i = 0; i < kPairs; ++i) f(sums[h][i], out + h * pitch + i * kPair);
  }
}

/// out += weights . values over the n keys from s on, for kHeads heads from `first` on and kPairs
/// pairs of columns from e, of which `columns` are there.
template <class Products, class Fetch, int kHeads, int kPairs>
HWY_INLINE void add_values(const Group& group, int64_t first, int64_t s, int64_t n, int64_t e,
                           int64_t columns) {
  const Task& task = group.task;
  const Floats f;
  float* out = group.out(first) + e;
  Sums<kHeads, kPairs> sums = {};
  for_sums<kHeads, kPairs>(sums, out, task.out_pitch, [&](Pair& sum, const float* from) HWY_ATTR {
    sum = {hn::Load(f, from), hn::Load(f, from + kLanes)};
  });
  const float* weights = group.scores(first);
  const int64_t offset = group.value_offset + e * size_of(Products::kElement);
  const int64_t ahead = task.in_turns ? Fetch::kValuesInTurns : Fetch::kRows;
  for (const int64_t end = s + n; s < end; s += Products::kTogether) {
    add_keys<Products, Fetch, kHeads, kPairs>(weights + s / Products::kTogether, task.values + s,
                                              ahead, offset, columns, sums);
  }
  for_sums<kHeads, kPairs>(sums, out, task.out_pitch, [&](const Pair& sum, float* to) HWY_ATTR {
    hn::Store(sum.a, f, to);
    hn::Store(sum.b, f, to + kLanes);
  });
}

/// add_values that leaves out keys of weight 0: 0 times NaN or infinity is NaN.
template <class Products>
void add_values_carefully(const Group& group, int64_t i, int64_t n) {
  const Floats f;
  float* out = group.out(i);
  for (int64_t s = 0; s < n; ++s) {
    const float weight = group.scores(i)[s];
    if (weight == 0) continue;
    for_pairs(group.task.problem.value_dim, [&](int64_t e, int64_t columns) HWY_ATTR {
      const std::byte* at = group.task.values[s] + group.value_offset;
      const Pair value = Products::value(at + e * size_of(Products::kElement), columns);
      float* to = out + e;
      hn::Store(hn::MulAdd(hn::Set(f, weight), value.a, hn::Load(f, to)), f, to);
      to += kLanes;
      hn::Store(hn::MulAdd(hn::Set(f, weight), value.b, hn::Load(f, to)), f, to);
    });
  }
}

/// Adds the values of the n keys from s on.
template <class Products, class Fetch>
void add_block(const Group& group, int64_t s, int64_t n) {
  const int64_t width = group.task.problem.value_dim;
  in_heads<4>(group.task.heads, 0, [&](auto count, int64_t h) HWY_ATTR {
    constexpr int kPairs = count() == 4 ? 2 : 4;  // 16 sums, or 8
    int64_t e = 0;
    for (; e + kPairs * kPair <= width; e += kPairs * kPair) {
      add_values<Products, Fetch, count(), kPairs>(group, h, s, n, e, kPair);
    }
    for (; e < width; e += kPair) {
      add_values<Products, Fetch, count(), 1>(group, h, s, n, e, std::min(kPair, width - e));
    }
  });
}

}  // namespace
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
