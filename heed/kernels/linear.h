#pragma once

#include <cstdint>

#include "heed/kernels/activation.h"
#include "heed/kernels/packed_matrix.h"

namespace heed::kernels {

/// One task of a product: some rows of x times some panels of W.
struct LinearTask {
  const float* x;       // [rows, K], rows x_stride floats apart
  int64_t x_stride;     // >= K
  float* y;             // [rows, N] (all N outputs: panels find their columns), no overlap with x
  int64_t y_stride;     // >= N
  int64_t rows;         // M of this task
  int64_t first_panel;  // panels [first_panel, last_panel) of W
  int64_t last_panel;
  int64_t next_panel = -1;  // where this thread's next task begins, fetched early; -1: not known
  Activation activation = Activation::none;
};

/// y = activation(x W^T + b). Each output is one chain of fused multiply-adds over k = 0, 1, ..., K
/// - 1 from zero, then one addition of the bias, then the activation: its bits do not depend on M,
/// on the row's place nor on how the work is cut into tasks. Against exact arithmetic the sum is
/// within (K + 1) eps (sum_k |x_k w_k| + |b|), eps = 2^-24 (Higham, 2002, section 3.1). No scratch,
/// no threads.
void linear(const PackedMatrix& matrix, const LinearTask& task);

namespace ref {
/// The law: a product and a sum at each step, in f32 (a machine that runs it may have no fused
/// multiply-add), so within 2 (K + 1) eps (...).
void linear(const PackedMatrix& matrix, const LinearTask& task);
}  // namespace ref

}  // namespace heed::kernels
