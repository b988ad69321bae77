// The attention that keys receive from a block of queries. Included once for each Highway target.
#if defined(HEED_KERNELS_CPU_ATTENTION_RECEIVED_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_ATTENTION_RECEIVED_INL_H_
#undef HEED_KERNELS_CPU_ATTENTION_RECEIVED_INL_H_
#else
#define HEED_KERNELS_CPU_ATTENTION_RECEIVED_INL_H_
#endif

#include <algorithm>
#include <cstdint>

#include "heed/kernels/attention_report.h"
#include "heed/kernels/cpu/attention_tile-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace fused {

/// Adds a block's sum and maximum over queries, in lanes, to what a key received.
HWY_INLINE void receive(const AttentionReport& report, int64_t key, Vector sum, Vector high) {
  const Floats f;
  report.received[key] += static_cast<double>(hn::GetLane(hn::SumOfLanes(f, sum)));
  float& most = report.received_max[key];
  most = std::max(most, hn::GetLane(hn::MaxOfLanes(f, high)));
}

/// Sums and maxima of weights over queries for a chunk of keys; lanes are added up last, once a
/// block of queries.
struct Received {
  float* sums;   // [kAttentionChunk][kLanes]
  float* highs;  // [kAttentionChunk][kLanes]

  void start(int64_t n) const {
    std::fill_n(sums, n * kLanes, 0.0F);
    std::fill_n(highs, n * kLanes, 0.0F);
  }
  /// Keys [at, at + n) of the chunk: weights times scale, from rows `row` apart.
  HWY_INLINE void add(const float* weights, int64_t row, int64_t at, int64_t n,
                      Vector scale) const {
    const Floats f;
    for (int64_t s = 0; s < n; ++s) {
      const Vector weight = hn::Mul(hn::Load(f, weights + s * row), scale);
      float* sum = sums + (at + s) * kLanes;
      float* high = highs + (at + s) * kLanes;
      hn::Store(hn::Add(hn::Load(f, sum), weight), f, sum);
      hn::Store(hn::Max(hn::Load(f, high), weight), f, high);
    }
  }
  /// Adds n keys from first on to the head's.
  HWY_INLINE void finish(const AttentionReport& report, int64_t first, int64_t n) const {
    const Floats f;
    for (int64_t s = 0; s < n; ++s) {
      receive(report, first + s, hn::Load(f, sums + s * kLanes), hn::Load(f, highs + s * kLanes));
    }
  }
};

template <class Take>
HWY_INLINE Received take_received(const Take& take) {
  return {take(kAttentionChunk * kLanes), take(kAttentionChunk * kLanes)};
}

/// 1 in the lanes from w on that hold a query of their own, else 0.
HWY_INLINE Vector used_lanes(const Tile& tile, int64_t w) {
  const Floats f;
  const int64_t used = std::clamp<int64_t>(tile.queries - w, 0, kLanes);
  return hn::IfThenElseZero(hn::FirstN(f, static_cast<size_t>(used)), hn::Set(f, 1.0F));
}

}  // namespace fused
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
