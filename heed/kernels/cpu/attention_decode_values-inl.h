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

#include "heed/kernels/cpu/attention_decode_rows-inl.h"
#include "heed/kernels/cpu/targets.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

/// out += weights . values over the n keys from s on, for kHeads heads from `first` on and kPairs
/// pairs of columns from e, of which `columns` are there.
template <Element kElement, int kHeads, int kPairs>
HWY_INLINE void add_values(const Group& group, int64_t first, int64_t s, int64_t n, int64_t e,
                           int64_t columns) {
  const bool fetch = first == 0;
  const Floats f;
  Pair sums[kHeads][kPairs] = {};
  const auto out = [&](int h, int i) { return group.out_row(first + h) + e + i * kPair; };
  HEED_UNROLL
  for (int h = 0; h < kHeads; ++h) {
    HEED_UNROLL
    for (int i = 0; i < kPairs; ++i) {
      sums[h][i] = {hn::Load(f, out(h, i)), hn::Load(f, out(h, i) + kLanes)};
    }
  }
  const float* weights = group.scores + first * kAttentionChunk;
  for (const int64_t end = s + n; s < end; ++s) {
    Pair values[kPairs] = {};
    const std::byte* row = group.values[s] + group.value_offset;
    const std::byte* next = group.values[s + group.values_ahead] + group.value_offset;
    HEED_UNROLL
    for (int i = 0; i < kPairs; ++i) {
      if (fetch) fetch_pair<kElement>(group, next, e + i * kPair);
      values[i] = load_pair<kElement>(row, e + i * kPair, columns);
    }
    HEED_UNROLL
    for (int h = 0; h < kHeads; ++h) {
      const Vector weight = hn::Set(f, weights[h * kAttentionChunk + s]);
      HEED_UNROLL
      for (int i = 0; i < kPairs; ++i) {
        sums[h][i].a = hn::MulAdd(weight, values[i].a, sums[h][i].a);
        sums[h][i].b = hn::MulAdd(weight, values[i].b, sums[h][i].b);
      }
    }
  }
  HEED_UNROLL
  for (int h = 0; h < kHeads; ++h) {
    HEED_UNROLL
    for (int i = 0; i < kPairs; ++i) {
      hn::Store(sums[h][i].a, f, out(h, i));
      hn::Store(sums[h][i].b, f, out(h, i) + kLanes);
    }
  }
}

/// add_values that leaves out keys of weight 0: 0 times NaN or infinity is NaN.
template <Element kElement>
void add_values_carefully(const Group& group, int64_t i, int64_t n) {
  const Floats f;
  float* out = group.out_row(i);
  for (int64_t s = 0; s < n; ++s) {
    const float weight = group.scores[i * kAttentionChunk + s];
    if (weight == 0) continue;
    for_pairs(group.problem.value_dim, [&](int64_t e, int64_t columns) HWY_ATTR {
      const Pair value = load_pair<kElement>(group.values[s] + group.value_offset, e, columns);
      float* to = out + e;
      hn::Store(hn::MulAdd(hn::Set(f, weight), value.a, hn::Load(f, to)), f, to);
      to += kLanes;
      hn::Store(hn::MulAdd(hn::Set(f, weight), value.b, hn::Load(f, to)), f, to);
    });
  }
}

/// Adds the values of the n keys from s on.
template <Element kElement>
void add_block(const Group& group, int64_t s, int64_t n) {
  const int64_t width = group.problem.value_dim;
  in_heads<4>(group.heads, 0, [&](auto count, int64_t h) HWY_ATTR {
    constexpr int kPairs = count() == 4 ? 2 : 4;  // 16 sums, or 8
    int64_t e = 0;
    for (; e + kPairs * kPair <= width; e += kPairs * kPair) {
      add_values<kElement, count(), kPairs>(group, h, s, n, e, kPair);
    }
    for (; e < width; e += kPair) {
      add_values<kElement, count(), 1>(group, h, s, n, e, std::min(kPair, width - e));
    }
  });
}

}  // namespace
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
