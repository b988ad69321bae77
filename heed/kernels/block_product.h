#pragma once

#include <cstdint>

#include "heed/kernels/activation.h"
#include "heed/kernels/blocks.h"

namespace heed::kernels {

/// One task of a product with weights in blocks: some rows of x times some rows of W.
struct BlockProductTask {
  BlockRows weights;     // W [N, K]
  int64_t first_output;  // rows [first_output, last_output) of W
  int64_t last_output;
  const float* x;  // [rows, K], rows x_stride floats apart
  int64_t x_stride;
  float* y;  // [rows, N], rows y_stride floats apart: all N outputs, no overlap with x
  int64_t y_stride;
  int64_t rows;
  const float* bias = nullptr;  // [N]
  Activation activation = Activation::none;
  float* scratch = nullptr;  // block_product_scratch(rows) floats, 64-byte aligned
};

/// The most inputs that are summed in one go.
constexpr int64_t kBlockProductDepth = 1024;
/// Rows of W that are unpacked together.
constexpr int64_t kBlockProductPanel = 48;
/// Floats from one of them to the next: rows begin at different places of L1's sets.
constexpr int64_t kBlockProductStride = kBlockProductDepth + 16;
/// The most rows of x that multiply weights as they are unpacked, without scratch.
constexpr int64_t kMostDirectRows = 2;

/// Floats of scratch for a task of so many rows; it does not grow with them.
int64_t block_product_scratch(int64_t rows);

/// y = activation(x W^T + b) with W as dequantize() gives it, to the bit. The inputs are cut into
/// blocks of at most kBlockProductDepth, by K alone. Within a block lane l of a vector of L is one
/// chain of fused multiply-adds from zero over k = l, l + L, ...; then the lanes are added in
/// pairs, the blocks in order, and the bias. So an output's bits depend on its row of x and its row
/// of W alone, not on M or on how the work is cut into tasks. With n = min(K, 1024) / 4 + K / 1024
/// + 8 the sum is within n eps (sum_k |x_k w_k| + |b|) of the exact one, eps = 2^-24 (Higham, 2002,
/// section 3.1).
/// Up to kMostDirectRows rows multiply weights as they are unpacked, in registers: what counts is
/// how fast they come from memory. More rows share panels of kBlockProductPanel rows of W, unpacked
/// into scratch. No threads.
void block_product(const BlockProductTask& task);

namespace ref {
/// The law: a product and a sum at each step, in f32, so within 2 (K + 1) eps (...).
void block_product(const BlockProductTask& task);
}  // namespace ref

}  // namespace heed::kernels
