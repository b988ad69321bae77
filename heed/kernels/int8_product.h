#pragma once

#include <cstddef>
#include <cstdint>

#include "heed/kernels/activation.h"
#include "heed/kernels/blocks.h"

namespace heed::kernels {

/// Inputs that share a scale when they are rounded to 8 bits.
constexpr int64_t kInt8Step = 32;

/// What 32 neighbouring inputs share. In memory as broadcasts read it.
struct Int8Scale {
  float scale;            // x is about scale * code
  float scaled_sum;       // scale * (sum of the 32 codes)
  int32_t minus_sum;      // -(sum of the 32 codes)
  int32_t minus_sum_low;  // -(sum of the first 16)
};

/// Rows of x [rows, columns] rounded to 8 bits, columns a multiple of kInt8Step.
struct Int8Inputs {
  int64_t rows;
  int64_t columns;
  int8_t* codes;      // [rows, columns]
  Int8Scale* scales;  // [rows, columns / kInt8Step]
};

/// Rounds rows of x, x_stride floats apart. Of every kInt8Step numbers with the largest magnitude
/// a: scale = a / 127, code = x * (127 / a) to the nearest integer, ties to even, so that |x -
/// scale code| <= (1/2 + 2^-15) scale. Where a < 2^-100 all is 0; where one of the numbers is not
/// finite the codes are 0 and the scale NaN. f32 arithmetic, the same bits everywhere. No threads.
void quantize_inputs(const float* x, int64_t x_stride, const Int8Inputs& to);

/// Whether int8_product takes weights of the kind: all that are quantised.
constexpr bool has_int8_product(BlockKind kind) { return block_size(kind) > 1; }

/// One task of a product of inputs in 8 bits with weights in blocks.
struct Int8ProductTask {
  BlockRows weights;     // W [N, K]
  int64_t first_output;  // rows [first_output, last_output) of W
  int64_t last_output;
  Int8Inputs x;  // some rows, K columns
  float* y;      // [rows, N], rows y_stride floats apart: all N outputs
  int64_t y_stride;
  const float* bias = nullptr;  // [N]
  Activation activation = Activation::none;
  std::byte* scratch = nullptr;  // int8_product_scratch() bytes, 64-byte aligned
};

/// Rows of W that are unpacked together.
constexpr int64_t kInt8Panel = 48;
int64_t int8_product_scratch();

/// y = activation(x W^T + b) for the x that codes and scales stand for. With w = d (q - z) + m (z a
/// number of the kind, q >= 0; heed/base/block_kind.h), s the scale and c the codes of the inputs'
/// step, the sums of integers are exact and y gathers, step by step in order of the inputs,
///     y = fma(sum_k (q_k - z) c_k, d s, y),  then for kinds with m  y = fma(s sum_k c_k, m, y)
/// (q6_k: the first for each half of a step), each product d s rounded by itself, from y = 0 on;
/// then the bias. So the bits are the same on every instruction set, alone and in company. Against
/// the product of x as it was, |error| <= sum over steps of (1/2 + 2^-15) s sum_k |w_k|, beside
/// f32 rounding (docs/math/quantised.md). Processors with AVX-512 VNNI multiply bytes; others widen
/// them to 16 bits, and gain little over block_product(). No threads.
void int8_product(const Int8ProductTask& task);

namespace internal {
/// Whether byte products are used where the processor has them (tests turn them off).
void use_byte_products(bool on);
bool uses_byte_products();
}  // namespace internal

namespace ref {
void quantize_inputs(const float* x, int64_t x_stride, const Int8Inputs& to);
/// The law, to the bit.
void int8_product(const Int8ProductTask& task);
}  // namespace ref

}  // namespace heed::kernels
