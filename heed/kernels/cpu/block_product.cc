#include "heed/kernels/block_product.h"

#include <algorithm>
#include <utility>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "heed/kernels/cpu/block_product.cc"
#include "heed/kernels/cpu/targets.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// after foreach_target.h
#include "heed/kernels/cpu/activation-inl.h"
#include "heed/kernels/cpu/block_product-inl.h"
#include "heed/kernels/cpu/block_product_direct-inl.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

using namespace block_product_tile;

// Rows of x in a tile over unpacked weights: their sums, a vector of each row and one of weights
// must fit in 32 registers (16 on AVX2).
#if HWY_TARGET == HWY_AVX2
constexpr int kTileRows = 3;
#else
constexpr int kTileRows = 6;
#endif

/// Rows of W as f32, from the depth's first input on.
struct Panel {
  const float* weights;
  int64_t stride;
  int64_t first;  // of the outputs
  int64_t outputs;
};

/// A vector of each row of x times one of each row of W.
template <int kRows>
HWY_INLINE void add_products(const float* const (&x)[kRows], const float* const (&w)[kQuad],
                             int64_t k, FloatVector (&sums)[kRows][kQuad]) {
  const Floats f;
  FloatVector in[kRows];
  HEED_UNROLL
  for (int r = 0; r < kRows; ++r) in[r] = hn::LoadU(f, x[r] + k);
  HEED_UNROLL
  for (int64_t n = 0; n < kQuad; ++n) {
    const FloatVector weights = hn::LoadU(f, w[n] + k);
    HEED_UNROLL
    for (int r = 0; r < kRows; ++r) sums[r][n] = hn::MulAdd(weights, in[r], sums[r][n]);
  }
}

/// The sums of multiply_quad, in another order of rows, for four outputs of a panel from n on.
template <int kRows>
HWY_NOINLINE void multiply_tile(const BlockProductTask& task, const Panel& panel,
                                const Depth& depth, int64_t n) {
  FloatVector sums[kRows][kQuad];
  clear(sums);
  const Quad quad(task, panel.first + n, depth);
  const float* x[kRows];
  const float* w[kQuad];
  for (int r = 0; r < kRows; ++r) x[r] = task.x + r * task.x_stride + depth.begin;
  for (int64_t i = 0; i < kQuad; ++i) {
    w[i] = panel.weights + (n + std::min(i, quad.outputs - 1)) * panel.stride;
  }
  const int64_t whole = depth.count / kStep * kStep;
  for (int64_t k = 0; k < whole; k += kLanes) add_products(x, w, k, sums);
  if (whole < depth.count) {
    const InputTail<kRows> in(task.x + depth.begin, task.x_stride, whole, depth.count);
    HWY_ALIGN float weights[kQuad][kStep];
    for (int r = 0; r < kRows; ++r) x[r] = in.x[r];
    for (int64_t i = 0; i < kQuad; ++i) {
      std::fill(std::copy(w[i] + whole, w[i] + depth.count, weights[i]), weights[i] + kStep, 0.0F);
      w[i] = weights[i];
    }
    for (int64_t k = 0; k < kStep; k += kLanes) add_products(x, w, k, sums);
  }
  finish(quad, sums);
}

/// The same for 1 <= task.rows <= kRows.
template <int kRows = kTileRows>
HWY_INLINE void multiply_rows(const BlockProductTask& task, const Panel& panel, const Depth& depth,
                              int64_t n) {
  if (task.rows == kRows) return multiply_tile<kRows>(task, panel, depth, n);
  if constexpr (kRows > 1) multiply_rows<kRows - 1>(task, panel, depth, n);
}

/// All rows of x times a panel; a tile of rows stays in L1 while the panel comes from L2.
void multiply_panel(const BlockProductTask& task, const Panel& panel, const Depth& depth) {
  const int64_t tiles = (task.rows + kTileRows - 1) / kTileRows;
  int64_t row = 0;
  for (int64_t i = 0; i < tiles; ++i) {
    BlockProductTask tile = task;
    tile.x += row * task.x_stride;
    tile.y += row * task.y_stride;
    tile.rows = (task.rows - row) / (tiles - i);  // even: 7 are 3 and 4, not 6 and 1
    for (int64_t n = 0; n < panel.outputs; n += kQuad) multiply_rows(tile, panel, depth, n);
    row += tile.rows;
  }
}

/// Panels of W one after the other, unpacked but for f32, each swept by all rows.
void multiply_panels(const BlockProductTask& task) {
  const BlockRows& weights = task.weights;
  const Depths depths(weights.columns);
  for (int64_t part = 0; part < depths.count(); ++part) {
    const Depth depth = depths.at(part);
    for (int64_t n = task.first_output; n < task.last_output; n += kBlockProductPanel) {
      Panel panel{.weights = task.scratch,
                  .stride = kBlockProductStride,
                  .first = n,
                  .outputs = std::min(kBlockProductPanel, task.last_output - n)};
      if (weights.kind == BlockKind::f32) {
        panel.weights = reinterpret_cast<const float*>(weights.row(n)) + depth.begin;
        panel.stride = weights.row_bytes / int64_t{sizeof(float)};
      } else {
        blocks::unpack_any({weights, n, panel.outputs, depth.begin, depth.count}, task.scratch,
                           kBlockProductStride);
      }
      multiply_panel(task, panel, depth);
    }
  }
}

}  // namespace

void block_product(const BlockProductTask& task) {
  constexpr auto kKinds = std::make_index_sequence<kBlockKinds>();
  if (task.rows == 0) return;
  if (task.rows == 1) {
    multiply_any_directly<1>(kKinds, task);
  } else if (task.rows == 2) {
    multiply_any_directly<2>(kKinds, task);
  } else {
    multiply_panels(task);
  }
  const int64_t outputs = task.last_output - task.first_output;
  with_activation(task.activation, [&](const auto& f) HWY_ATTR {
    for (int64_t r = 0; r < task.rows; ++r) {
      float* y = task.y + r * task.y_stride + task.first_output;
      map(y, y, outputs, f);
    }
  });
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace heed::kernels {

int64_t block_product_scratch(int64_t rows) {
  return rows <= kMostDirectRows ? 0 : kBlockProductPanel * kBlockProductStride;
}

void block_product(const BlockProductTask& task) {
  if (active_isa() == Isa::reference) return ref::block_product(task);
  HEED_DISPATCH(block_product)(task);
}

}  // namespace heed::kernels
#endif
