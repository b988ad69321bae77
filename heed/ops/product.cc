#include "heed/ops/product.h"

#include <algorithm>
#include <limits>

#include "heed/base/error.h"
#include "heed/base/parallel.h"
#include "heed/kernels/packed_matrix.h"
#include "heed/ops/chunks.h"

namespace heed {
namespace {

using kernels::ProductTask;
constexpr int64_t kPanel = kernels::PackedMatrix::kPanel;

int64_t cuts(int64_t size, int64_t part) { return (size + part - 1) / part; }

/// Tasks of a product: blocks of rows times groups of panels.
struct Split {
  int64_t row_blocks = 1;
  int64_t groups = 1;
  int64_t rows = 0;    // of a block
  int64_t panels = 0;  // of a group
};

/// Time of one task at one step of the depth, in multiply-adds of its outputs: packing an element
/// costs about as much as 16 of them (it is read from L2 or beyond and written once).
int64_t task_cost(const ProductTask& whole, const Split& split) {
  constexpr int64_t kPack = 16, kTask = 64;
  const int64_t columns = std::min(split.panels * kPanel, whole.columns);
  const int64_t pack_rows = whole.a.column == 1 ? 0 : kPack * split.rows;
  return split.rows * columns + kPack * columns + pack_rows + kTask;
}

/// The split that the threads finish first. Rows of a task are few enough that what it packs of a,
/// kProductDepth deep, stays in L2.
Split split_work(const ProductTask& whole) {
  constexpr int64_t kMaxRows = 768, kRowsTogether = 16;
  const int64_t threads = num_threads(), panels = cuts(whole.columns, kPanel);
  const int64_t fewest = cuts(whole.rows, kMaxRows);
  Split best;
  int64_t least = std::numeric_limits<int64_t>::max();
  for (int64_t row_blocks = fewest; row_blocks <= fewest + 2 * threads; ++row_blocks) {
    Split split;
    split.rows = cuts(cuts(whole.rows, row_blocks), kRowsTogether) * kRowsTogether;
    split.row_blocks = cuts(whole.rows, split.rows);
    for (int64_t rounds = 1; rounds <= 4; ++rounds) {
      split.panels = cuts(panels, std::max<int64_t>(1, rounds * threads / split.row_blocks));
      split.groups = cuts(panels, split.panels);
      const int64_t cost = cuts(split.row_blocks * split.groups, threads) * task_cost(whole, split);
      if (cost < least) {
        least = cost;
        best = split;
      }
    }
  }
  return best;
}

}  // namespace

kernels::Operand operand(const Tensor& m) {
  HEED_ASSERT(m.rank() == 2);
  return {m.data<float>(), m.stride(0), m.stride(1)};
}

Tensor with_unit_stride(const Tensor& m) {
  HEED_ASSERT(m.rank() == 2);
  const Tensor wide = m.to(DType::f32);
  return wide.stride(0) == 1 || wide.stride(1) == 1 ? wide : wide.contiguous();
}

Tensor empty_laid_out_as(const Tensor& m) {
  if (m.stride(1) == 1) return Tensor::empty({m.size(0), m.size(1)});
  return Tensor::empty({m.size(1), m.size(0)}).transpose(0, 1);
}

void multiply(const ProductTask& whole) {
  if (whole.rows == 0 || whole.columns == 0) return;
  const Split split = split_work(whole);
  const int64_t tasks = split.row_blocks * split.groups;
  const int64_t floats = kernels::product_scratch(split.rows);
  const int64_t threads = num_threads();
  const Tensor scratch = Tensor::empty({std::min(tasks, threads), floats});
  parallel_for(tasks, [&](int64_t index, int worker) {
    ProductTask task = whole;
    const int64_t row = index / split.groups * split.rows;
    const int64_t column = index % split.groups * split.panels * kPanel;
    task.a.data += row * whole.a.row;
    task.b.data += column * whole.b.column;
    const int64_t at = row * whole.c_stride + column;
    task.c += at;
    if (task.activated != nullptr) task.activated += at;
    if (task.bias != nullptr) task.bias += column;
    task.rows = std::min(split.rows, whole.rows - row);
    task.columns = std::min(split.panels * kPanel, whole.columns - column);
    task.scratch = scratch.data<float>() + (tasks <= threads ? index : worker) * floats;
    kernels::product(task);
  });
}

Tensor sum_rows(const float* x, int64_t stride, int64_t rows, int64_t columns) {
  const Tensor sums = Tensor::empty({columns});
  constexpr int64_t kColumns = 128;  // whole cache lines, and enough of them to stream
  parallel_chunks(columns, kColumns, [&](int64_t begin, int64_t end) {
    kernels::column_sums(x + begin, stride, rows, end - begin, false, sums.data<float>() + begin);
  });
  return sums;
}

}  // namespace heed
