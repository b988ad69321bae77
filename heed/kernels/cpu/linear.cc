#include "heed/kernels/linear.h"

#include <algorithm>

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

// Inputs at a time: a panel's part of that depth, 72 KiB at most, is swept over by all rows. It
// need not fit L1 (a tile reads a line of weights in the time of eight multiply-adds, half of what
// L2 gives); fewer cuts mean fewer reloads of the sums.
constexpr int64_t kMaxBlock = 384;
// All panels take their turn within this depth: 128 rows of x so deep (384 KiB) stay in L2.
constexpr int64_t kMaxDepth = 768;
// A tile asks for the next block's cache lines in steps of this many inputs.
constexpr int64_t kStep = 16;
constexpr int64_t kLine = 16;  // floats in a cache line

/// Inputs [begin, begin + count) of a panel.
struct Block {
  int64_t panel;
  int64_t begin;
  int64_t count;
};

/// What a tile reads and writes: x [R, inputs], weights [inputs, kTileColumns] with rows kPanel
/// apart, y [R, columns].
struct Tile {
  const float* x;
  int64_t x_stride;
  const float* weights;
  int64_t inputs;
  float* y;
  int64_t y_stride;
  int64_t columns;     // of kTileColumns that exist
  bool first;          // sums start from 0, not from y
  const float* bias;   // added after the last input; null before
  const float* ahead;  // weights wanted soon
  int64_t lines;       // cache lines of them to ask for at each step
};

HWY_INLINE int64_t columns_of(const Tile& tile, int v) {
  return std::clamp<int64_t>(tile.columns - v * kLanes, 0, kLanes);
}

/// kFull: all columns exist, which keeps lane counts out of the loads and stores. Not inlined: the
/// caller's variables would push the row pointers out of registers (measured: 15 % slower).
template <int kRows, bool kFull>
HWY_NOINLINE void multiply(const Tile& tile) {
  const Floats d;
  FloatVector sums[kRows][kTileVectors];
  const float* x[kRows];
  for (int r = 0; r < kRows; ++r) {
    x[r] = tile.x + r * tile.x_stride;
    for (int v = 0; v < kTileVectors; ++v) {
      const float* y = tile.y + r * tile.y_stride + v * kLanes;
      // y comes from memory in the end: asked for now, it is there when the sums are done
      if (tile.first) __builtin_prefetch(y, 1);
      const int64_t n = kFull ? kLanes : columns_of(tile, v);
      sums[r][v] = tile.first ? hn::Zero(d) : load(d, y, n);
    }
  }
  const float* weights = tile.weights;
  const float* ahead = tile.ahead;
  for (int64_t begin = 0; begin < tile.inputs; begin += kStep) {
    for (int64_t i = 0; i < tile.lines; ++i, ahead += kLine) __builtin_prefetch(ahead, 0, 2);
    const int64_t end = std::min(begin + kStep, tile.inputs);
    for (int64_t k = begin; k < end; ++k, weights += kPanel) {
      FloatVector w[kTileVectors];
      for (int v = 0; v < kTileVectors; ++v) w[v] = hn::Load(d, weights + v * kLanes);
      for (int r = 0; r < kRows; ++r) {
        const FloatVector input = hn::Set(d, x[r][k]);
        for (int v = 0; v < kTileVectors; ++v) sums[r][v] = hn::MulAdd(input, w[v], sums[r][v]);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kTileVectors; ++v) {
      if (tile.bias != nullptr) {
        sums[r][v] = hn::Add(sums[r][v], hn::Load(d, tile.bias + v * kLanes));
      }
      const int64_t n = kFull ? kLanes : columns_of(tile, v);
      store(d, sums[r][v], tile.y + r * tile.y_stride + v * kLanes, n);
    }
  }
}

/// multiply<rows> for 1 <= rows <= kRows.
template <int kRows = kTileRows>
HWY_INLINE void multiply_rows(const Tile& tile, int64_t rows) {
  if (rows == kRows) {
    if (tile.columns >= kTileColumns) return multiply<kRows, true>(tile);
    return multiply<kRows, false>(tile);
  }
  if constexpr (kRows > 1) multiply_rows<kRows - 1>(tile, rows);
}

void activate_rows(Activation activation, float* y, int64_t y_stride, int64_t rows,
                   int64_t columns) {
  with_activation(activation, [&](const auto& f) HWY_ATTR {
    for (int64_t r = 0; r < rows; ++r) map(y + r * y_stride, y + r * y_stride, columns, f);
  });
}

/// One block times all rows of the task. Meanwhile the weights at `next` (null: none), of about the
/// same number, are on their way from L3 to L2, spread over the tiles: that is what small M lives
/// on.
void multiply_block(const PackedMatrix& matrix, const LinearTask& task, const Block& block,
                    const float* next) {
  const int64_t first_column = block.panel * kPanel;
  const int64_t columns = std::min(kPanel, matrix.outputs() - first_column);
  const bool last = block.begin + block.count == matrix.inputs();
  const int64_t tiles_down = (task.rows + kTileRows - 1) / kTileRows;
  const int64_t tiles = tiles_down * ((columns + kTileColumns - 1) / kTileColumns);
  const int64_t lines_a_step = kStep * kPanel / kLine;
  Tile tile{.x_stride = task.x_stride,
            .inputs = block.count,
            .y_stride = task.y_stride,
            .first = block.begin == 0,
            .bias = nullptr,
            .ahead = next,
            .lines = next == nullptr ? 0 : (lines_a_step + tiles - 1) / tiles};
  int64_t row = 0;
  for (int64_t down = 0; down < tiles_down; ++down) {
    const int64_t rows =
        (task.rows - row) / (tiles_down - down);  // even: 9 are 4 and 5, not 8 and 1
    float* y = task.y + row * task.y_stride + first_column;
    tile.x = task.x + row * task.x_stride + block.begin;
    for (int64_t column = 0; column < columns; column += kTileColumns) {
      tile.weights = matrix.panel(block.panel) + block.begin * kPanel + column;
      tile.y = y + column;
      tile.columns = columns - column;
      if (last) tile.bias = matrix.bias() + first_column + column;
      multiply_rows(tile, rows);
      tile.ahead += tile.lines * kLine * ((block.count + kStep - 1) / kStep);
    }
    if (last) activate_rows(task.activation, y, task.y_stride, rows, columns);
    row += rows;
  }
}

/// Calls f on the blocks of the task in the order they are computed. Without inputs there is still
/// one empty block a panel, which writes the bias.
template <class F>
HWY_INLINE void for_blocks(int64_t inputs, const LinearTask& task, const F& f) {
  const int64_t cuts = std::max<int64_t>(1, (inputs + kMaxBlock - 1) / kMaxBlock);
  const int64_t steps = (inputs + cuts * kStep - 1) / (cuts * kStep);  // even: 384 are 2 x 192
  const int64_t block = std::max<int64_t>(1, steps) * kStep;
  const int64_t depth = kMaxDepth / block * block;
  int64_t outer = 0;
  do {
    const int64_t end = std::min(outer + depth, inputs);
    for (int64_t panel = task.first_panel; panel < task.last_panel; ++panel) {
      int64_t begin = outer;
      do {
        f(Block{panel, begin, std::min(block, end - begin)});
        begin += block;
      } while (begin < end);
    }
    outer += depth;
  } while (outer < inputs);
}

}  // namespace

void linear(const PackedMatrix& matrix, const LinearTask& task) {
  // each block waits for the one after it to be known
  Block waiting{.panel = -1, .begin = 0, .count = 0};
  for_blocks(matrix.inputs(), task, [&](const Block& block) {
    const float* weights = matrix.panel(block.panel) + block.begin * kPanel;
    if (waiting.panel >= 0) multiply_block(matrix, task, waiting, weights);
    waiting = block;
  });
  if (waiting.panel < 0) return;
  multiply_block(matrix, task, waiting,
                 task.next_panel < 0 ? nullptr : matrix.panel(task.next_panel));
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
