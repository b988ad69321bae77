#pragma once

#include <cstdint>

#include "heed/kernels/activation.h"

namespace heed::kernels {

/// A matrix of f32 read in either order: element [i, j] lies at i * row + j * column, and one of
/// the two strides is 1 (or its dimension has one element at most).
struct Operand {
  const float* data = nullptr;
  int64_t row = 0;
  int64_t column = 1;
};

/// What a product's operands are rounded to before they are multiplied; sums are f32.
enum class Precision : uint8_t { f32, bf16 };

/// One task of a product of two matrices that change from call to call, as in training: what the
/// product packs, it packs into its own scratch.
struct ProductTask {
  Operand a;  // [rows, depth]
  Operand b;  // [depth, columns]
  float* c;   // [rows, columns], rows c_stride floats apart; overlaps nothing else
  int64_t c_stride;
  int64_t rows;
  int64_t columns;
  int64_t depth;
  Precision precision = Precision::f32;
  bool accumulate = false;      // c += ab, not c = ab
  const float* bias = nullptr;  // [columns], added to each row
  Activation activation = Activation::none;
  float* activated =
      nullptr;     // where the activation (not none) of c goes, in c's strides; may be c
  float* scratch;  // product_scratch(rows) floats, 64-byte aligned
};

/// The most of the depth that is summed from zero in one chain.
constexpr int64_t kProductDepth = 384;

/// Floats of scratch for a task of so many rows.
int64_t product_scratch(int64_t rows);

/// c = ab, or c += ab; then the bias; activated = activation(c).
/// The depth is cut into equal blocks of at most kProductDepth (multiples of 16); each block of an
/// output is one chain of fused multiply-adds from zero, the blocks are added in order, then the
/// bias: bits do not depend on how rows and columns are cut into tasks. With n = min(depth,
/// kProductDepth) + depth / kProductDepth + 3 additions in a row at most, the sum is within n eps
/// (|c| + sum_k |a_k b_k| + |bias|) of the exact one, eps = 2^-24 (Higham, 2002, section 3.1). With
/// Precision::bf16 that holds for a and b rounded to bf16 (to nearest, ties to even). No threads.
void product(const ProductTask& task);

/// sums[j] = sum over i of x[i, j], or += it: x [rows, columns], rows `stride` floats apart. Rows
/// go in blocks of 64, each summed from zero, the blocks added in order: within (64 + rows / 64)
/// eps sum_i |x_ij|. A column's bits do not depend on the others.
void column_sums(const float* x, int64_t stride, int64_t rows, int64_t columns, bool accumulate,
                 float* sums);

namespace ref {
/// The laws, in f64 and rounded once.
void product(const ProductTask& task);
void column_sums(const float* x, int64_t stride, int64_t rows, int64_t columns, bool accumulate,
                 float* sums);
}  // namespace ref

}  // namespace heed::kernels
