// The largest weights of each query and their keys, queries in lanes. Included once for each
// Highway target.
#if defined(HEED_KERNELS_CPU_ATTENTION_TOP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_ATTENTION_TOP_INL_H_
#undef HEED_KERNELS_CPU_ATTENTION_TOP_INL_H_
#else
#define HEED_KERNELS_CPU_ATTENTION_TOP_INL_H_
#endif

#include <algorithm>
#include <cstdint>

#include "heed/kernels/cpu/attention_tile-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace fused {

using Indices = hn::RebindToSigned<Floats>;

/// The largest scores so far, falling, and their keys; -inf and -1 where there were not so many.
struct TileTop {
  int64_t size;   // kept a query
  float* scores;  // [size][width]
  int32_t* keys;  // [size][width]

  void start(int64_t width) const {
    std::fill_n(scores, size * width, kHidden);
    std::fill_n(keys, size * width, -1);
  }
};

/// Puts a key among the top of each lane where it beats the last, which falls out: place i takes
/// the score that stands above it where the key goes higher, else the key itself where it beats
/// what stands there. A score must be above to beat, so of equal ones the earlier key stays ahead.
HWY_INLINE void enter_top(Vector score, int32_t key, int64_t size, int64_t width, float* scores,
                          int32_t* keys) {
  const Floats f;
  const Indices index;
  const auto entering = hn::Set(index, key);
  float* at = scores + (size - 1) * width;
  int32_t* key_at = keys + (size - 1) * width;
  Vector here = hn::Load(f, at);
  auto key_here = hn::Load(index, key_at);
  auto beats = hn::Gt(score, here);
  for (int64_t i = size - 1; i > 0; --i, at -= width, key_at -= width) {
    const Vector above = hn::Load(f, at - width);
    const auto key_above = hn::Load(index, key_at - width);
    const auto beats_above = hn::Gt(score, above);
    hn::Store(hn::Max(here, hn::Min(above, score)), f, at);
    const auto mine = hn::IfThenElse(hn::RebindMask(index, beats), entering, key_here);
    hn::Store(hn::IfThenElse(hn::RebindMask(index, beats_above), key_above, mine), index, key_at);
    here = above;
    key_here = key_above;
    beats = beats_above;
    if (i % 8 == 0 && hn::AllFalse(f, beats)) return;  // often, where many are kept
  }
  hn::Store(hn::Max(here, score), f, at);
  hn::Store(hn::IfThenElse(hn::RebindMask(index, beats), entering, key_here), index, key_at);
}

/// Enters the chunk's keys that are above the last of the top, in order. First notes the groups
/// of keys that have one, without branching: which they are cannot be predicted.
template <int kVectors>
HWY_INLINE void find_top(const TileTop& top, const float* all_scores, int64_t first, int64_t n,
                         const Vector* highest) {
  constexpr int64_t kWidth = kVectors * kLanes;
  constexpr int64_t kGroup = 4;
  const Floats f;
  for (int i = 0; i < kVectors; ++i) {
    float* top_scores = top.scores + i * kLanes;
    int32_t* top_keys = top.keys + i * kLanes;
    const float* last = top_scores + (top.size - 1) * kWidth;
    const Vector threshold = hn::Load(f, last);
    if (hn::AllFalse(f, hn::Gt(highest[i], threshold))) continue;
    const float* scores = all_scores + i * kLanes;
    int64_t groups[kAttentionChunk / kGroup + 1];
    int64_t count = 0;
    int64_t s = 0;
    for (; s + kGroup <= n; s += kGroup) {
      const float* at = scores + s * kWidth;
      const Vector a = hn::Max(hn::Load(f, at), hn::Load(f, at + kWidth));
      const Vector b = hn::Max(hn::Load(f, at + 2 * kWidth), hn::Load(f, at + 3 * kWidth));
      groups[count] = s;
      count += hn::AllFalse(f, hn::Gt(hn::Max(a, b), threshold)) ? 0 : 1;
    }
    if (s < n) groups[count++] = s;
    for (int64_t j = 0; j < count; ++j) {
      for (s = groups[j]; s < std::min(groups[j] + kGroup, n); ++s) {
        const Vector score = hn::Load(f, scores + s * kWidth);
        if (hn::AllFalse(f, hn::Gt(score, hn::Load(f, last)))) continue;
        enter_top(score, static_cast<int32_t>(first + s), top.size, kWidth, top_scores, top_keys);
      }
    }
  }
}

}  // namespace fused
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
