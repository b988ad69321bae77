// Weights of a tile of queries added up over bins of keys, while attention passes over them.
// Included once for each Highway target.
#if defined(HEED_KERNELS_CPU_ATTENTION_BINS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_ATTENTION_BINS_INL_H_
#undef HEED_KERNELS_CPU_ATTENTION_BINS_INL_H_
#else
#define HEED_KERNELS_CPU_ATTENTION_BINS_INL_H_
#endif

#include <algorithm>
#include <cstdint>

#include "heed/kernels/attention.h"
#include "heed/kernels/attention_report.h"
#include "heed/kernels/cpu/attention_soften-inl.h"
#include "heed/kernels/cpu/attention_tile-inl.h"
#include "heed/kernels/cpu/exp-inl.h"
#include "heed/kernels/cpu/transpose-inl.h"
#include "heed/kernels/cpu/vector-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace fused {

/// Sums (and maxima) of weights over bins of keys, queries in lanes. A bin's are relative to the
/// maximum that was running in the chunk of its last key; only the bin that is open is rescaled as
/// the maximum rises.
struct TileBins {
  Bins bins;
  int64_t first_key;  // where the tile's key 0 lies on the edges' scale
  float* sums;        // [bins][width]
  float* highs;       // [bins][width]; null: sums alone
  float* sum_rows;    // [width][bins], for a map
  float* high_rows;   // [width][bins]
  int64_t begin = 0;  // bins that met a key: [begin, end)
  int64_t end = 0;

  void start() { begin = end = -1; }
  int64_t edge(int64_t bin) const { return bins.edges[bin] - first_key; }
};

/// Adds keys [first, first + n), which follow those added before. factor: from the chunk before to
/// this one.
template <int kVectors>
HWY_INLINE void add_to_bins(TileBins& state, const float* weights, int64_t first, int64_t n,
                            const Vector* factor) {
  constexpr int64_t kWidth = kVectors * kLanes;
  if (state.bins.count == 0) return;
  const Floats f;
  if (state.begin < 0) {
    const int64_t* edges = state.bins.edges;
    const int64_t* past =
        std::upper_bound(edges + 1, edges + 1 + state.bins.count, first + state.first_key);
    state.begin = state.end = past - (edges + 1);
  }
  int64_t bin = std::max(state.begin, state.end - 1);
  if (bin < state.end && state.edge(bin + 1) <= first) ++bin;  // complete
  for (; bin < state.bins.count && state.edge(bin) < first + n; ++bin) {
    const int64_t begin = std::max<int64_t>(state.edge(bin) - first, 0);
    const int64_t end = std::min(state.edge(bin + 1) - first, n);
    const bool open = bin < state.end;
    for (int i = 0; i < kVectors; ++i) {
      const int64_t at = bin * kWidth + i * kLanes;
      const auto carried = [&](const float* values) HWY_ATTR {
        return open ? hn::Mul(hn::Load(f, values + at), factor[i]) : hn::Zero(f);
      };
      const float* from = weights + i * kLanes;
      Vector sum = hn::Zero(f);
      if (state.highs == nullptr) {
        for (int64_t s = begin; s < end; ++s) sum = hn::Add(sum, hn::Load(f, from + s * kWidth));
      } else {
        Vector high = carried(state.highs);
        for (int64_t s = begin; s < end; ++s) {
          const Vector weight = hn::Load(f, from + s * kWidth);
          sum = hn::Add(sum, weight);
          high = hn::Max(high, weight);
        }
        hn::Store(high, f, state.highs + at);
      }
      hn::Store(hn::Add(carried(state.sums), sum), f, state.sums + at);
    }
  }
  state.end = std::max(state.end, bin);
}

/// What sums relative to bases must be multiplied by to be sums of weights, once tile.total is what
/// those relative to tile.highest must be.
HWY_INLINE Vector weight_scale(const Tile& tile, const float* bases, int64_t w) {
  const Floats f;
  const Vector behind = hn::Sub(hn::Load(f, bases + w), base_of(hn::Load(f, tile.highest + w)));
  return hn::Mul(exp_of_negative(f, behind), hn::Load(f, tile.total + w));
}

/// Turns a tile's sums and maxima into those of weights. highest: of each chunk, [chunks][width].
HWY_INLINE void scale_bins(const TileBins& state, const Tile& tile, const float* highest) {
  const Floats f;
  HWY_ALIGN float scales[kTile];
  int64_t scaled_chunk = -1;
  for (int64_t bin = state.begin; bin < state.end; ++bin) {
    const int64_t past = std::min(state.edge(bin + 1), tile.keys.end);
    const int64_t chunk = std::max(past - 1, tile.keys.begin) / kAttentionChunk;
    for (int64_t w = 0; w < tile.width && chunk != scaled_chunk; w += kLanes) {
      hn::Store(weight_scale(tile, highest + chunk * tile.width, w), f, scales + w);
    }
    scaled_chunk = chunk;
    for (int64_t w = 0; w < tile.width; w += kLanes) {
      const int64_t at = bin * tile.width + w;
      const Vector scale = hn::Load(f, scales + w);
      hn::Store(hn::Mul(hn::Load(f, state.sums + at), scale), f, state.sums + at);
      if (state.highs == nullptr) continue;
      hn::Store(hn::Mul(hn::Load(f, state.highs + at), scale), f, state.highs + at);
    }
  }
}

/// out[w * count + bin] = values[bin][w], 0 in bins that met no key.
HWY_INLINE void rows_from_bins(const TileBins& state, const Tile& tile, const float* values,
                               float* out) {
  const int64_t count = state.bins.count;
  for (int64_t w = 0; w < tile.queries; ++w) {
    float* row = out + w * count;
    std::fill(row, row + std::max<int64_t>(state.begin, 0), 0.0F);
    std::fill(row + std::max<int64_t>(state.end, 0), row + count, 0.0F);
  }
  if (state.begin >= state.end) return;
  rows_from_tile(values + state.begin * tile.width, tile.width, state.end - state.begin,
                 out + state.begin, count, tile.queries);
}

HWY_INLINE void finish_bins(const TileBins& state, const Tile& tile, const float* highest,
                            float* out) {
  scale_bins(state, tile, highest);
  rows_from_bins(state, tile, state.sums, out);
}

/// Adds rows [begin, end) of [rows][count], pooled, to a row of the map.
HWY_INLINE void pool_rows(const TileBins& state, int64_t begin, int64_t end, double* map_sum,
                          float* map_max) {
  const Floats f;
  const int64_t count = state.bins.count;
  HWY_ALIGN float sums[kLanes];
  HWY_ALIGN float highs[kLanes];
  for (int64_t at = std::max<int64_t>(state.begin, 0); at < state.end; at += kLanes) {
    const int64_t n = std::min(kLanes, state.end - at);
    Vector sum = hn::Zero(f), high = hn::Zero(f);
    for (int64_t w = begin; w < end; ++w) {
      sum = hn::Add(sum, load(f, state.sum_rows + w * count + at, n));
      high = hn::Max(high, load(f, state.high_rows + w * count + at, n));
    }
    hn::Store(sum, f, sums);
    hn::Store(high, f, highs);
    for (int64_t i = 0; i < n; ++i) {
      map_sum[at + i] += static_cast<double>(sums[i]);
      map_max[at + i] = std::max(map_max[at + i], highs[i]);
    }
  }
}

/// Adds the tile's rows, pooled, to the head's map.
HWY_INLINE void finish_map(const TileBins& state, const Tile& tile, const float* highest,
                           const AttentionReport& report) {
  scale_bins(state, tile, highest);
  rows_from_bins(state, tile, state.sums, state.sum_rows);
  rows_from_bins(state, tile, state.highs, state.high_rows);
  const Bins& rows = report.map_rows;
  const int64_t first = tile.first + report.first_query;
  const int64_t* past = std::upper_bound(rows.edges + 1, rows.edges + 1 + rows.count, first);
  int64_t row = past - (rows.edges + 1);
  for (int64_t w = 0; w < tile.queries && row < rows.count; ++row) {
    const int64_t end = std::min(rows.edges[row + 1] - first, tile.queries);
    const int64_t cell = row * state.bins.count;
    pool_rows(state, w, end, report.map_sum + cell, report.map_max + cell);
    w = end;
  }
}

}  // namespace fused
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
