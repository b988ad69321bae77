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
#include "heed/kernels/cpu/transpose-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace fused {

constexpr int64_t kReceivedKeys = 4;  // whose lanes are joined together

/// The 128-bit blocks of v joined to one.
template <class D, class V, class Merge>
HWY_INLINE auto join_blocks(D /*d*/, V v, const Merge& merge) {
  if constexpr (hn::MaxLanes(D()) > 4) {
    const hn::Half<D> half;
    return join_blocks(half, merge(hn::LowerHalf(half, v), hn::UpperHalf(half, v)), merge);
  } else {
    return v;
  }
}

/// The lanes of each of four vectors joined: to four floats.
template <class Merge>
HWY_INLINE void join_lanes(const Vector* four, const Merge& merge, float* joined) {
  const transpose::Four t = transpose::transpose_blocks({four[0], four[1], four[2], four[3]});
  const auto all = join_blocks(Floats(), merge(merge(t.a, t.b), merge(t.c, t.d)), merge);
  hn::Store(all, hn::FixedTag<float, 4>(), joined);
}

/// Adds a block's sums and maxima over queries, in lanes, to what keys [key, key + n) received;
/// n <= kReceivedKeys.
HWY_INLINE void receive(const AttentionReport& report, int64_t key, int64_t n, const Vector* sums,
                        const Vector* highs) {
  HWY_ALIGN float sum[kReceivedKeys];
  HWY_ALIGN float high[kReceivedKeys];
  join_lanes(
      sums, [](auto a, auto b) HWY_ATTR { return hn::Add(a, b); }, sum);
  join_lanes(
      highs, [](auto a, auto b) HWY_ATTR { return hn::Max(a, b); }, high);
  for (int64_t s = 0; s < n; ++s) {
    report.received[key + s] += static_cast<double>(sum[s]);
    report.received_max[key + s] = std::max(report.received_max[key + s], high[s]);
  }
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
    for (int64_t s = 0; s < n; s += kReceivedKeys) {
      Vector sum[kReceivedKeys], high[kReceivedKeys];
      const int64_t keys = std::min(kReceivedKeys, n - s);
      HEED_UNROLL
      for (int64_t i = 0; i < kReceivedKeys; ++i) {
        const int64_t at = (s + std::min(i, keys - 1)) * kLanes;
        sum[i] = hn::Load(f, sums + at);
        high[i] = hn::Load(f, highs + at);
      }
      receive(report, first + s, keys, sum, high);
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
