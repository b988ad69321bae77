// A tile of queries and the two products that attention spends its time in: scores = q . k and
// out += weights v, queries in lanes. Included once for each Highway target.
#if defined(HEED_KERNELS_CPU_ATTENTION_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_ATTENTION_TILE_INL_H_
#undef HEED_KERNELS_CPU_ATTENTION_TILE_INL_H_
#else
#define HEED_KERNELS_CPU_ATTENTION_TILE_INL_H_
#endif

#include <cstdint>
#include <limits>
#include <type_traits>

#include "heed/kernels/attention.h"
#include "heed/kernels/cpu/attention_ahead.h"
#include "heed/kernels/cpu/vector-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace fused {

using Vector = FloatVector;

constexpr int kTileVectors = 2;
constexpr int64_t kTile = kTileVectors * kLanes;
// Keys (or value columns) whose sums are held in registers at once: kRows x kTileVectors
// accumulators, kTileVectors operands and one broadcast must fit.
#if HWY_TARGET == HWY_AVX2
constexpr int kRows = 6;  // of 16 registers
#else
constexpr int kRows = 8;  // of 32 registers
#endif
/// Keys whose mask is looked at together: a line of a bias.
constexpr int64_t kMaskKeys = 16;
constexpr float kHidden = -std::numeric_limits<float>::infinity();

struct TileReport;  // attention_report-inl.h

/// One tile of queries and what it carries from chunk to chunk of keys.
struct Tile {
  int64_t first;    // query
  int64_t queries;  // <= kTile; lanes past them repeat the last
  int64_t width;    // lanes in use: kLanes or kTile
  KeyRange keys;    // that any of its queries sees
  KeyRange common;  // that every one of them sees, masks apart
  bool started = false;
  float* q;        // [D][width], times the scale
  float* out;      // [E][width], relative to highest
  float* highest;  // [width]
  float* total;    // [width], sum of exp(score - highest)
  TileReport* report = nullptr;
};

/// One call: a block of queries of one head, and where its scratch lies.
struct Block {
  const AttentionProblem& problem;
  int64_t b, h;
  bool careful;
  bool gather = false;               // keys whose rows lie apart are brought together first
  float* scores;                     // [kAttentionChunk][width]
  float* stage;                      // [kMaskKeys][width], for a mask
  float* wide_q;                     // [kTile][D], where q is not f32
  float* wide_y;                     // [kTile][E], where y is not f32
  float* wide_k;                     // [kAttentionChunk][D], keys that are not used where they lie
  float* wide_v;                     // [kAttentionChunk][E]
  RowsAhead* ahead = nullptr;        // of the next chunk
  RowsAhead* masks_ahead = nullptr;  // of the next job

  /// Between two strides of a product.
  HWY_INLINE void look_ahead() const {
    if (ahead != nullptr) ahead->some();
    if (masks_ahead != nullptr) masks_ahead->some();
  }
};

/// Keys [first, first + n) as f32 rows, wherever they lie.
struct Keys {
  int64_t first;
  int64_t n;
  const float* k;
  int64_t k_row;
  const float* v;
  int64_t v_row;

  Keys part(int64_t begin, int64_t end) const {
    return {begin, end - begin, k + (begin - first) * k_row, k_row, v + (begin - first) * v_row,
            v_row};
  }
};

/// Calls step(integral_constant<rows>, first) over [0, n) in strides of kRows, then 4, 2, 1.
template <int kStride, class Step>
HWY_INLINE void in_strides(int64_t n, int64_t at, const Step& step) {
  for (; at + kStride <= n; at += kStride) step(std::integral_constant<int, kStride>(), at);
  if constexpr (kStride > 4) {
    in_strides<4>(n, at, step);
  } else if constexpr (kStride > 1) {
    in_strides<kStride / 2>(n, at, step);
  }
}

/// out[r][query] = q[query] . k[r] for kCount keys; highest, unless null, = max(highest, out).
template <int kCount, int kVectors>
HWY_INLINE void score_rows(const float* HWY_RESTRICT q, int64_t head_dim, const float* k,
                           int64_t stride, float* HWY_RESTRICT out, Vector* HWY_RESTRICT highest) {
  constexpr int64_t kWidth = kVectors * kLanes;
  const Floats f;
  Vector sums[kCount][kVectors];
  HEED_UNROLL
  for (int r = 0; r < kCount; ++r) {
    HEED_UNROLL
    for (int i = 0; i < kVectors; ++i) sums[r][i] = hn::Zero(f);
  }
  for (int64_t d = 0; d < head_dim; ++d) {
    Vector queries[kVectors];
    HEED_UNROLL
    for (int i = 0; i < kVectors; ++i) queries[i] = hn::Load(f, q + d * kWidth + i * kLanes);
    HEED_UNROLL
    for (int r = 0; r < kCount; ++r) {
      const Vector key = hn::Set(f, k[r * stride + d]);
      HEED_UNROLL
      for (int i = 0; i < kVectors; ++i) sums[r][i] = hn::MulAdd(key, queries[i], sums[r][i]);
    }
  }
  HEED_UNROLL
  for (int r = 0; r < kCount; ++r) {
    HEED_UNROLL
    for (int i = 0; i < kVectors; ++i) {
      hn::Store(sums[r][i], f, out + r * kWidth + i * kLanes);
      if (highest != nullptr) highest[i] = hn::Max(highest[i], sums[r][i]);
    }
  }
}

/// out[e][query] = out[e][query] * factor[query] + sum_s weights[s][query] v[s][e] for kCount
/// columns e, in key order. No factor: 1.
template <int kCount, int kVectors>
HWY_INLINE void add_values(const float* HWY_RESTRICT weights, int64_t keys, const float* v,
                           int64_t stride, bool first, const Vector* factor,
                           float* HWY_RESTRICT out) {
  constexpr int64_t kWidth = kVectors * kLanes;
  const Floats f;
  Vector sums[kCount][kVectors];
  HEED_UNROLL
  for (int e = 0; e < kCount; ++e) {
    HEED_UNROLL
    for (int i = 0; i < kVectors; ++i) {
      sums[e][i] = first ? hn::Zero(f) : hn::Load(f, out + e * kWidth + i * kLanes);
      if (!first && factor != nullptr) sums[e][i] = hn::Mul(sums[e][i], factor[i]);
    }
  }
  for (int64_t s = 0; s < keys; ++s) {
    Vector weight[kVectors];
    HEED_UNROLL
    for (int i = 0; i < kVectors; ++i) weight[i] = hn::Load(f, weights + s * kWidth + i * kLanes);
    HEED_UNROLL
    for (int e = 0; e < kCount; ++e) {
      const Vector value = hn::Set(f, v[s * stride + e]);
      HEED_UNROLL
      for (int i = 0; i < kVectors; ++i) sums[e][i] = hn::MulAdd(value, weight[i], sums[e][i]);
    }
  }
  HEED_UNROLL
  for (int e = 0; e < kCount; ++e) {
    HEED_UNROLL
    for (int i = 0; i < kVectors; ++i) hn::Store(sums[e][i], f, out + e * kWidth + i * kLanes);
  }
}

/// add_values that leaves out keys of weight 0: 0 times NaN or infinity is NaN. The same bits where
/// all values are finite.
template <int kVectors>
HWY_INLINE void add_values_carefully(const float* weights, int64_t keys, const float* v,
                                     int64_t stride, int64_t value_dim, bool first,
                                     const Vector* factor, float* out) {
  const Floats f;
  for (int64_t e = 0; e < value_dim; ++e) {
    for (int i = 0; i < kVectors; ++i) {
      float* at = out + (e * kVectors + i) * kLanes;
      Vector sum = first ? hn::Zero(f) : hn::Load(f, at);
      if (!first && factor != nullptr) sum = hn::Mul(sum, factor[i]);
      for (int64_t s = 0; s < keys; ++s) {
        const Vector weight = hn::Load(f, weights + (s * kVectors + i) * kLanes);
        const Vector more = hn::MulAdd(hn::Set(f, v[s * stride + e]), weight, sum);
        sum = hn::IfThenElse(hn::Eq(weight, hn::Zero(f)), sum, more);
      }
      hn::Store(sum, f, at);
    }
  }
}

}  // namespace fused
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
