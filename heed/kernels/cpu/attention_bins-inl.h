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
  float* rows;        // [width][bins], shared by the tiles, for a map
  int64_t begin = 0;  // bins that met a key: [begin, end)
  int64_t end = 0;

  void start() { begin = end = -1; }
  int64_t edge(int64_t bin) const { return bins.edges[bin] - first_key; }
};

/// Sums and maxima of the weights of keys [begin, end), each key's row kVectors vectors. Even and
/// odd keys apart, because one sum waits for the one before; by the key's number, so that keys of
/// weight 0 at either end change no bit.
template <int kVectors>
HWY_INLINE void pool_keys(const float* weights, int64_t begin, int64_t end, Vector* sums,
                          Vector* highs) {
  constexpr int64_t kWidth = kVectors * kLanes;
  const Floats f;
  Vector odd_sums[kVectors], odd_highs[kVectors];
  HEED_UNROLL
  for (int i = 0; i < kVectors; ++i) {
    sums[i] = highs[i] = odd_sums[i] = odd_highs[i] = hn::Zero(f);
  }
  const auto add = [&](int64_t s, Vector* to_sums, Vector* to_highs) HWY_ATTR {
    HEED_UNROLL
    for (int i = 0; i < kVectors; ++i) {
      const Vector weight = hn::Load(f, weights + s * kWidth + i * kLanes);
      to_sums[i] = hn::Add(to_sums[i], weight);
      to_highs[i] = hn::Max(to_highs[i], weight);
    }
  };
  int64_t s = begin;
  if (s % 2 != 0 && s < end) add(s++, odd_sums, odd_highs);
  for (; s + 2 <= end; s += 2) {
    add(s, sums, highs);
    add(s + 1, odd_sums, odd_highs);
  }
  if (s < end) add(s, sums, highs);
  HEED_UNROLL
  for (int i = 0; i < kVectors; ++i) {
    sums[i] = hn::Add(sums[i], odd_sums[i]);
    highs[i] = hn::Max(highs[i], odd_highs[i]);
  }
}

/// Adds keys [first, first + n), which follow those added before; first is even. factor: from the
/// chunk before to this one.
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
    Vector sums[kVectors], highs[kVectors];
    pool_keys<kVectors>(weights, std::max<int64_t>(state.edge(bin) - first, 0),
                        std::min(state.edge(bin + 1) - first, n), sums, highs);
    const bool open = bin < state.end;
    for (int i = 0; i < kVectors; ++i) {
      const int64_t at = bin * kWidth + i * kLanes;
      const auto carried = [&](const float* values) HWY_ATTR {
        return open ? hn::Mul(hn::Load(f, values + at), factor[i]) : hn::Zero(f);
      };
      hn::Store(hn::Add(carried(state.sums), sums[i]), f, state.sums + at);
      if (state.highs == nullptr) continue;
      hn::Store(hn::Max(carried(state.highs), highs[i]), f, state.highs + at);
    }
  }
  state.end = std::max(state.end, bin);
}

/// Turns the maxima that were running in each chunk, [chunks][width], into what sums relative to
/// them must be multiplied by to be sums of weights, once tile.total is what those relative to
/// tile.highest must be.
HWY_INLINE void scale_chunks(const Tile& tile, float* highest) {
  const Floats f;
  for (int64_t s = tile.keys.begin; s < tile.keys.end;
       s = (s / kAttentionChunk + 1) * kAttentionChunk) {
    float* chunk = highest + s / kAttentionChunk * tile.width;
    for (int64_t w = 0; w < tile.width; w += kLanes) {
      const Vector base = base_of(hn::Load(f, tile.highest + w));
      const Vector behind = exp_of_negative(f, hn::Sub(hn::Load(f, chunk + w), base));
      hn::Store(hn::Mul(behind, hn::Load(f, tile.total + w)), f, chunk + w);
    }
  }
}

/// out[w * count + bin] = values[bin][w] as weights, in bins that met a key. scales: of each chunk.
HWY_INLINE void rows_from_bins(const TileBins& state, const Tile& tile, const float* scales,
                               const float* values, float* out) {
  const Floats f;
  const auto scale_of = [&](int64_t bin) {
    const int64_t past = std::min(state.edge(bin + 1), tile.keys.end);
    return scales + std::max(past - 1, tile.keys.begin) / kAttentionChunk * tile.width;
  };
  for (int64_t bin = state.begin; bin < state.end;) {
    const float* scale = scale_of(bin);
    int64_t end = bin + 1;
    while (end < state.end && scale_of(end) == scale) ++end;
    const auto weights = [&](int64_t w, Vector sums)
                             HWY_ATTR { return hn::Mul(sums, hn::Load(f, scale + w)); };
    rows_from_tile(values + bin * tile.width, tile.width, end - bin, weights, out + bin,
                   state.bins.count, tile.queries);
    bin = end;
  }
}

/// Writes the tile's sums; 0 in bins that met no key.
HWY_INLINE void finish_bins(const TileBins& state, const Tile& tile, const float* scales,
                            float* out) {
  const int64_t count = state.bins.count;
  for (int64_t w = 0; w < tile.queries; ++w) {
    float* row = out + w * count;
    std::fill(row, row + std::max<int64_t>(state.begin, 0), 0.0F);
    std::fill(row + std::max<int64_t>(state.end, 0), row + count, 0.0F);
  }
  rows_from_bins(state, tile, scales, state.sums, out);
}

/// Pools the tile's rows of weights, in state.rows, by the map's: merge(a, b) joins vectors of two
/// of them, put(cell, value) takes what came of one cell.
template <class Merge, class Put>
HWY_INLINE void pool_rows(const TileBins& state, const Tile& tile, const AttentionReport& report,
                          const Merge& merge, const Put& put) {
  const Floats f;
  const Bins& rows = report.map_rows;
  const int64_t count = state.bins.count;
  const int64_t first = tile.first + report.first_query;
  const int64_t* past = std::upper_bound(rows.edges + 1, rows.edges + 1 + rows.count, first);
  int64_t row = past - (rows.edges + 1);
  HWY_ALIGN float pooled[kLanes];
  for (int64_t begin = 0; begin < tile.queries && row < rows.count; ++row) {
    const int64_t end = std::min(rows.edges[row + 1] - first, tile.queries);
    for (int64_t at = std::max<int64_t>(state.begin, 0); at < state.end; at += kLanes) {
      const int64_t n = std::min(kLanes, state.end - at);
      Vector all = hn::Zero(f);
      for (int64_t w = begin; w < end; ++w) {
        all = merge(all, load(f, state.rows + w * count + at, n));
      }
      hn::Store(all, f, pooled);
      for (int64_t i = 0; i < n; ++i) put(row * count + at + i, pooled[i]);
    }
    begin = end;
  }
}

/// Adds the tile's rows, pooled, to the head's map.
HWY_INLINE void finish_map(const TileBins& state, const Tile& tile, const float* scales,
                           const AttentionReport& report) {
  rows_from_bins(state, tile, scales, state.sums, state.rows);
  pool_rows(
      state, tile, report, [](Vector a, Vector b) HWY_ATTR { return hn::Add(a, b); },
      [&](int64_t cell, float sum) { report.map_sum[cell] += static_cast<double>(sum); });
  rows_from_bins(state, tile, scales, state.highs, state.rows);
  pool_rows(
      state, tile, report, [](Vector a, Vector b) HWY_ATTR { return hn::Max(a, b); },
      [&](int64_t cell, float high) {
        report.map_max[cell] = std::max(report.map_max[cell], high);
      });
}

}  // namespace fused
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
