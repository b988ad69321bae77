// The tile of a matrix product: a few rows times a few vectors of columns, their sums in registers.
// Included once for each Highway target.
#if defined(HEED_KERNELS_CPU_LINEAR_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_LINEAR_TILE_INL_H_
#undef HEED_KERNELS_CPU_LINEAR_TILE_INL_H_
#else
#define HEED_KERNELS_CPU_LINEAR_TILE_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "heed/kernels/cpu/activation-inl.h"
#include "heed/kernels/packed_matrix.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace product_tile {

constexpr int64_t kPanel = PackedMatrix::kPanel;

// A tile's sums stay in registers: rows x vectors of them, a vector of weights for each column and
// one broadcast input must fit in 32 registers (16 on AVX2), and loads must not outnumber the
// multiply-adds (two of each a cycle).
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
constexpr int kTileRows = 8;
constexpr int kTileVectors = 3;
#elif HWY_TARGET == HWY_AVX2
constexpr int kTileRows = 6;
constexpr int kTileVectors = 2;
#else
constexpr int kTileRows = 6;
constexpr int kTileVectors = 4;
#endif
constexpr int64_t kTileColumns = kTileVectors * kLanes;
static_assert(kPanel % kTileColumns == 0);

// Inputs at a time: a panel's part of that depth, 72 KiB at most, is swept over by all rows. It
// need not fit L1 (a tile reads a line of weights in the time of eight multiply-adds, half of what
// L2 gives); fewer cuts mean fewer reloads of the sums.
constexpr int64_t kMaxTileDepth = 384;
// A tile asks for the next block's cache lines in steps of this many inputs.
constexpr int64_t kStep = 16;
// The same where rows are few, and lines many: more at once than wait in the core's buffers (16 or
// so) hold up the products behind them.
constexpr int64_t kSmallStep = 4;
constexpr int64_t kLine = 16;  // floats in a cache line

/// What a tile reads and writes: x [R, inputs], weights [inputs, kTileColumns] with rows kPanel
/// apart, y [R, columns].
struct Tile {
  const float* x;
  int64_t x_stride;  // between rows; where rows lie side by side (kDown), between inputs
  const float* weights;
  int64_t inputs;
  float* y;
  int64_t y_stride;
  int64_t columns;     // of kTileColumns that exist
  bool first;          // sums start from 0, not from y
  bool adds = false;   // y is added at the end
  const float* bias;   // added after that; null: none
  const float* ahead;  // weights wanted soon: at each step so many cache lines are asked for, these
  int64_t lines;       // many floats apart, and then so many on
  int64_t line_stride;
  int64_t step_stride;
  // Of a tile that packs in passing, see Packing.
  int64_t weights_stride = kPanel;  // between inputs
  float* panel = nullptr;           // [inputs][kPanel], aligned as weights otherwise are
  float* rows = nullptr;            // [inputs][rows of the tile]
};

/// What a tile packs in passing for those after it: its columns of the panel, which it reads where
/// they lie, its rows where they lie side by side (kDown), or both. The multiply-adds hide the
/// waiting that packing beforehand is made of.
struct Packing {
  bool panel = false;
  bool rows = false;
};

HWY_INLINE int64_t columns_of(const Tile& tile, int v) {
  return std::clamp<int64_t>(tile.columns - v * kLanes, 0, kLanes);
}

/// The rows' elements at one input after the other.
template <int kRows, bool kDown>
struct Inputs {
  const float* rows[kRows];
  explicit Inputs(const Tile& tile) {
    for (int r = 0; r < kRows; ++r) rows[r] = tile.x + r * tile.x_stride;
  }
  float at(int r, int64_t k) const { return rows[r][k]; }
};
template <int kRows>
struct Inputs<kRows, true> {
  const float* x;
  int64_t stride;
  explicit Inputs(const Tile& tile) : x(tile.x), stride(tile.x_stride) {}
  float at(int r, int64_t k) const { return x[k * stride + r]; }
};

/// kFull: all columns exist, which keeps lane counts out of the loads and stores. Not inlined: the
/// caller's variables would push the row pointers out of registers (measured: 15 % slower). kEvery:
/// inputs of a step (a variable would cost large products a quarter of their speed).
template <int kRows, int kVectors, bool kFull, bool kDown, int64_t kEvery, bool kPackPanel = false,
          bool kPackRows = false>
HWY_NOINLINE void multiply(const Tile& tile) {
  const Floats d;
  FloatVector sums[kRows][kVectors];
  const Inputs<kRows, kDown> x(tile);
  HEED_UNROLL
  for (int r = 0; r < kRows; ++r) {
    HEED_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      const float* y = tile.y + r * tile.y_stride + v * kLanes;
      // y comes from memory in the end: asked for now, it is there when the sums are done
      if (tile.first) __builtin_prefetch(y, 1);
      const int64_t n = kFull ? kLanes : columns_of(tile, v);
      sums[r][v] = tile.first ? hn::Zero(d) : load(d, y, n);
    }
  }
  const float* weights = tile.weights;
  const int64_t next = kPackPanel ? tile.weights_stride : kPanel;
  float* HWY_RESTRICT panel = tile.panel;
  float* HWY_RESTRICT packed = tile.rows;
  const float* ahead = tile.ahead;
  for (int64_t begin = 0; begin < tile.inputs; begin += kEvery) {
    for (int64_t i = 0; i < tile.lines; ++i) __builtin_prefetch(ahead + i * tile.line_stride, 0, 2);
    ahead += tile.step_stride;
    const int64_t end = std::min(begin + kEvery, tile.inputs);
    for (int64_t k = begin; k < end; ++k, weights += next) {
      FloatVector w[kVectors];
      HEED_UNROLL
      for (int v = 0; v < kVectors; ++v) {
        const float* from = weights + v * kLanes;
        w[v] = kPackPanel ? hn::LoadU(d, from) : hn::Load(d, from);
        if constexpr (kPackPanel) hn::Store(w[v], d, panel + v * kLanes);
      }
      if constexpr (kPackPanel) panel += kPanel;
      if constexpr (kPackRows) {
        __builtin_prefetch(x.x + (k + kEvery) * x.stride);
        std::memcpy(packed, x.x + k * x.stride, kRows * sizeof(float));
        packed += kRows;
      }
      HEED_UNROLL
      for (int r = 0; r < kRows; ++r) {
        const FloatVector input = hn::Set(d, x.at(r, k));
        HEED_UNROLL
        for (int v = 0; v < kVectors; ++v) sums[r][v] = hn::MulAdd(input, w[v], sums[r][v]);
      }
    }
  }
  // Both loops are unrolled here too, or the compiler keeps the sums in memory from the first to
  // the last; what the stores might change as it sees it is read before them.
  const bool adds = tile.adds;
  const float* const bias = tile.bias;
  float* const to = tile.y;
  const int64_t stride = tile.y_stride;
  HEED_UNROLL
  for (int v = 0; v < kVectors; ++v) {
    const int64_t n = kFull ? kLanes : columns_of(tile, v);
    const FloatVector shift = bias == nullptr ? hn::Zero(d) : hn::Load(d, bias + v * kLanes);
    HEED_UNROLL
    for (int r = 0; r < kRows; ++r) {
      float* const y = to + r * stride + v * kLanes;
      if (adds) sums[r][v] = hn::Add(sums[r][v], load(d, y, n));
      if (bias != nullptr) sums[r][v] = hn::Add(sums[r][v], shift);
      store(d, sums[r][v], y, n);
    }
  }
}

/// multiply for those of the panel's columns that exist: no vector is computed for none.
template <int kRows, bool kDown, int64_t kEvery, int kVectors = kTileVectors>
HWY_INLINE void multiply_columns(const Tile& tile) {
  if constexpr (kVectors == kTileVectors) {
    if (tile.columns >= kTileColumns) return multiply<kRows, kVectors, true, kDown, kEvery>(tile);
  }
  if constexpr (kVectors > 1) {
    if (tile.columns <= (kVectors - 1) * kLanes) {
      return multiply_columns<kRows, kDown, kEvery, kVectors - 1>(tile);
    }
  }
  multiply<kRows, kVectors, false, kDown, kEvery>(tile);
}

/// The same for 1 <= rows <= kRows.
template <bool kDown, int64_t kEvery = kStep, int kRows = kTileRows>
HWY_INLINE void multiply_rows(const Tile& tile, int64_t rows) {
  if (rows == kRows) return multiply_columns<kRows, kDown, kEvery>(tile);
  if constexpr (kRows > 1) multiply_rows<kDown, kEvery, kRows - 1>(tile, rows);
}

/// A whole tile that packs in passing.
template <bool kDown>
HWY_INLINE void multiply_and_pack(const Tile& tile, Packing packing) {
  if constexpr (kDown) {
    if (packing.rows) {
      return packing.panel
                 ? multiply<kTileRows, kTileVectors, true, kDown, kStep, true, true>(tile)
                 : multiply<kTileRows, kTileVectors, true, kDown, kStep, false, true>(tile);
    }
  }
  multiply<kTileRows, kTileVectors, true, kDown, kStep, true>(tile);
}

HWY_INLINE void activate_rows(Activation activation, const float* from, float* to, int64_t stride,
                              int64_t rows, int64_t columns) {
  with_activation(activation, [&](const auto& f) HWY_ATTR {
    for (int64_t r = 0; r < rows; ++r) map(from + r * stride, to + r * stride, columns, f);
  });
}

}  // namespace product_tile
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
