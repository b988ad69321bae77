// The online softmax of a chunk of scores: what attention and its report share. Included once for
// each Highway target.
#if defined(HEED_KERNELS_CPU_ATTENTION_SOFTEN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_ATTENTION_SOFTEN_INL_H_
#undef HEED_KERNELS_CPU_ATTENTION_SOFTEN_INL_H_
#else
#define HEED_KERNELS_CPU_ATTENTION_SOFTEN_INL_H_
#endif

#include <cstdint>

#include "heed/kernels/cpu/attention_tile-inl.h"
#include "heed/kernels/cpu/exp-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace fused {

constexpr int64_t kBetween = 16;

/// What exponents are taken relative to: the maximum or, where nothing was seen yet, any finite
/// number, which gives weights of 0 without -inf minus -inf.
HWY_INLINE Vector base_of(Vector highest) {
  return hn::IfThenZeroElse(hn::Eq(highest, hn::Set(Floats(), kHidden)), highest);
}

/// The largest of n scores, query by query. Four keys at once, because one maximum waits for the
/// one before.
template <int kVectors>
HWY_INLINE void find_highest(const float* scores, int64_t n, Vector* highest) {
  const Floats f;
  for (int i = 0; i < kVectors; ++i) {
    const auto at = [&](int64_t s)
                        HWY_ATTR { return hn::Load(f, scores + (s * kVectors + i) * kLanes); };
    highest[i] = hn::Set(f, kHidden);
    int64_t s = 0;
    for (; s + 4 <= n; s += 4) {
      const Vector four = hn::Max(hn::Max(at(s), at(s + 1)), hn::Max(at(s + 2), at(s + 3)));
      highest[i] = hn::Max(highest[i], four);
    }
    for (; s < n; ++s) highest[i] = hn::Max(highest[i], at(s));
  }
}

/// What soften calls when nobody watches.
struct Nothing {
  void operator()(int64_t /*s*/, int /*i*/, Vector /*weight*/, Vector /*exponent*/) const {}
};

/// n keys' scores to weights relative to base; sum: theirs. between(s): called before every
/// kBetween keys, for work of other units of the processor that may go on beside this. each(s, i,
/// weight, exponent): called with every vector of weights.
template <int kVectors, class Between, class Each>
HWY_INLINE void soften_keys(float* scores, int64_t n, const Vector* base, Vector* sum,
                            const Between& between, const Each& each) {
  const Floats f;
  for (int i = 0; i < kVectors; ++i) sum[i] = hn::Zero(f);
  for (int64_t s = 0; s < n; ++s) {
    if (s % kBetween == 0) between(s);
    HEED_UNROLL
    for (int i = 0; i < kVectors; ++i) {
      float* at = scores + (s * kVectors + i) * kLanes;
      const Vector exponent = hn::Sub(hn::Load(f, at), base[i]);
      const Vector weight = exp_of_negative(f, exponent);
      hn::Store(weight, f, at);
      sum[i] = hn::Add(sum[i], weight);
      each(s, i, weight, exponent);
    }
  }
}

/// soften_keys relative to the new maximum; the tile's total and highest follow. factor is what
/// older sums must be multiplied by.
template <int kVectors, class Between, class Each>
HWY_INLINE void soften(const Block& block, const Tile& tile, int64_t n, const Vector* chunk_highest,
                       Vector* factor, const Between& between, const Each& each) {
  const Floats f;
  Vector base[kVectors];
  Vector sum[kVectors];
  for (int i = 0; i < kVectors; ++i) {
    const Vector before =
        tile.started ? hn::Load(f, tile.highest + i * kLanes) : hn::Set(f, kHidden);
    const Vector highest = hn::Max(before, chunk_highest[i]);
    base[i] = base_of(highest);
    factor[i] = exp_of_negative(f, hn::Sub(before, base[i]));
    hn::Store(highest, f, tile.highest + i * kLanes);
  }
  soften_keys<kVectors>(block.scores, n, base, sum, between, each);
  for (int i = 0; i < kVectors; ++i) {
    float* total = tile.total + i * kLanes;
    const Vector before = tile.started ? hn::Load(f, total) : hn::Zero(f);
    hn::Store(hn::MulAdd(before, factor[i], sum[i]), f, total);
  }
}

}  // namespace fused
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
