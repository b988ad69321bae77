#include "heed/kernels/linear.h"

#include <algorithm>
#include <array>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "heed/kernels/cpu/linear.cc"
#include "heed/kernels/cpu/targets.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// after foreach_target.h
#include "heed/kernels/cpu/activation-inl.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

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

// Inputs at a time: the part of a panel that a block of rows sweeps over, 36 KiB, stays in L1.
constexpr int64_t kBlock = 192;

/// What a tile reads and writes: x [R, inputs], weights [inputs, kTileColumns] with rows kPanel
/// apart, y [R, kTileColumns].
struct Tile {
  const float* x;
  int64_t x_stride;
  const float* weights;
  int64_t inputs;
  float* y;
  int64_t y_stride;
  bool first;         // sums start from 0, not from y
  const float* bias;  // added after the last input; null before
};

template <int R>
HWY_INLINE void multiply(const Tile& tile) {
  const Floats d;
  FloatVector sums[R][kTileVectors];
  const float* x[R];
  for (int r = 0; r < R; ++r) {
    x[r] = tile.x + r * tile.x_stride;
    for (int v = 0; v < kTileVectors; ++v) {
      sums[r][v] = tile.first ? hn::Zero(d) : hn::LoadU(d, tile.y + r * tile.y_stride + v * kLanes);
    }
  }
  const float* weights = tile.weights;
  for (int64_t k = 0; k < tile.inputs; ++k, weights += kPanel) {
    FloatVector w[kTileVectors];
    for (int v = 0; v < kTileVectors; ++v) w[v] = hn::Load(d, weights + v * kLanes);
    for (int r = 0; r < R; ++r) {
      const FloatVector input = hn::Set(d, x[r][k]);
      for (int v = 0; v < kTileVectors; ++v) sums[r][v] = hn::MulAdd(input, w[v], sums[r][v]);
    }
  }
  for (int r = 0; r < R; ++r) {
    for (int v = 0; v < kTileVectors; ++v) {
      if (tile.bias != nullptr)
        sums[r][v] = hn::Add(sums[r][v], hn::Load(d, tile.bias + v * kLanes));
      hn::StoreU(sums[r][v], d, tile.y + r * tile.y_stride + v * kLanes);
    }
  }
}

void multiply(const Tile& tile, int64_t rows) {
  switch (rows) {
    case 8:
      if constexpr (kTileRows >= 8) return multiply<8>(tile);
      break;
    case 7:
      if constexpr (kTileRows >= 7) return multiply<7>(tile);
      break;
    case 6:
      return multiply<6>(tile);
    case 5:
      return multiply<5>(tile);
    case 4:
      return multiply<4>(tile);
    case 3:
      return multiply<3>(tile);
    case 2:
      return multiply<2>(tile);
    case 1:
      return multiply<1>(tile);
    default:
      break;
  }
}

void activate_rows(Activation activation, float* y, int64_t y_stride, int64_t rows,
                   int64_t columns) {
  with_activation(activation, [&](const auto& f) HWY_ATTR {
    for (int64_t r = 0; r < rows; ++r) map(y + r * y_stride, y + r * y_stride, columns, f);
  });
}

/// One panel times all rows of the task, y being the panel's own columns.
void multiply_panel(const PackedMatrix& matrix, const LinearTask& task, int64_t p, float* y,
                    int64_t y_stride) {
  const int64_t inputs = matrix.inputs();
  for (int64_t begin = 0; begin == 0 || begin < inputs; begin += kBlock) {
    const int64_t count = std::min(kBlock, inputs - begin);
    const bool last = begin + count == inputs;
    for (int64_t m = 0; m < task.rows; m += kTileRows) {
      const int64_t rows = std::min<int64_t>(kTileRows, task.rows - m);
      for (int64_t column = 0; column < kPanel; column += kTileColumns) {
        multiply({.x = task.x + m * task.x_stride + begin,
                  .x_stride = task.x_stride,
                  .weights = matrix.panel(p) + begin * kPanel + column,
                  .inputs = count,
                  .y = y + m * y_stride + column,
                  .y_stride = y_stride,
                  .first = begin == 0,
                  .bias = last ? matrix.bias() + p * kPanel + column : nullptr},
                 rows);
      }
      if (last) activate_rows(task.activation, y + m * y_stride, y_stride, rows, kPanel);
    }
  }
}

/// The last panel where N is not a multiple of kPanel: by way of a full-width copy of a few rows.
void multiply_part_panel(const PackedMatrix& matrix, const LinearTask& task, int64_t p) {
  HWY_ALIGN float full[kTileRows * kPanel];
  const int64_t columns = matrix.outputs() - p * kPanel;
  for (int64_t m = 0; m < task.rows; m += kTileRows) {
    LinearTask part = task;
    part.x += m * task.x_stride;
    part.rows = std::min<int64_t>(kTileRows, task.rows - m);
    multiply_panel(matrix, part, p, full, kPanel);
    for (int64_t r = 0; r < part.rows; ++r) {
      std::copy_n(full + r * kPanel, columns, task.y + (m + r) * task.y_stride + p * kPanel);
    }
  }
}

}  // namespace

void linear(const PackedMatrix& matrix, const LinearTask& task) {
  for (int64_t p = task.first_panel; p < task.last_panel; ++p) {
    if ((p + 1) * kPanel > matrix.outputs()) {
      multiply_part_panel(matrix, task, p);
    } else {
      multiply_panel(matrix, task, p, task.y + p * kPanel, task.y_stride);
    }
  }
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace heed::kernels {

void linear(const PackedMatrix& matrix, const LinearTask& task) {
  if (active_isa() == Isa::reference) return ref::linear(matrix, task);
  HEED_DISPATCH(linear)(matrix, task);
}

}  // namespace heed::kernels
#endif
