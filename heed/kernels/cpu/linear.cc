#include "heed/kernels/linear.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "heed/kernels/cpu/linear.cc"
#include "heed/kernels/cpu/targets.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// after foreach_target.h
#include "heed/kernels/cpu/linear_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

using namespace product_tile;

// All panels take their turn within this depth: 128 rows of x so deep (384 KiB) stay in L2.
constexpr int64_t kMaxDepth = 768;

/// Inputs [begin, begin + count) of a panel.
struct Block {
  int64_t panel;
  int64_t begin;
  int64_t count;
};

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
  // from 2 to 32 rows small steps are 4 to 12 % faster, and more where other programs use the
  // memory too; at 1 they gain nothing, at 128 they cost 2 %
  const bool few = task.rows > 1 && tiles_down <= 4;
  const int64_t step = few ? kSmallStep : kStep;
  const int64_t lines_a_step = step * kPanel / kLine;
  Tile tile{.x_stride = task.x_stride,
            .inputs = block.count,
            .y_stride = task.y_stride,
            .first = block.begin == 0,
            .bias = nullptr,
            .ahead = next,
            .lines = next == nullptr ? 0 : (lines_a_step + tiles - 1) / tiles,
            .line_stride = kLine,
            .step_stride = 0};
  tile.step_stride = tile.lines * kLine;
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
      few ? multiply_rows<false, kSmallStep>(tile, rows) : multiply_rows<false>(tile, rows);
      tile.ahead += tile.step_stride * ((block.count + step - 1) / step);
    }
    if (last) activate_rows(task.activation, y, y, task.y_stride, rows, columns);
    row += rows;
  }
}

/// Calls f on the blocks of the task in the order they are computed. Without inputs there is still
/// one empty block a panel, which writes the bias.
template <class F>
HWY_INLINE void for_blocks(int64_t inputs, const LinearTask& task, const F& f) {
  const int64_t cuts = std::max<int64_t>(1, (inputs + kMaxTileDepth - 1) / kMaxTileDepth);
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
