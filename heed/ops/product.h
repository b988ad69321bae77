#pragma once

#include "heed/kernels/product.h"
#include "heed/tensor/tensor.h"

namespace heed {

/// How a product reads a matrix: m [R, C] f32, of whose strides one is 1. See with_unit_stride().
kernels::Operand operand(const Tensor& m);
/// The matrix with its dimensions exchanged.
inline kernels::Operand transposed(const kernels::Operand& m) { return {m.data, m.column, m.row}; }

/// m [R, C] as f32 with a unit stride: itself where it is that already, else a copy.
Tensor with_unit_stride(const Tensor& m);

/// An uninitialised f32 tensor of m's shape [R, C], laid out along the dimension that m is.
Tensor empty_laid_out_as(const Tensor& m);

/// kernels::product over the threads; scratch is found here. The same bits at any thread count.
void multiply(const kernels::ProductTask& whole);

/// Sums of x [M, N], rows `stride` floats apart, over its rows -> [N], over the threads.
Tensor sum_rows(const float* x, int64_t stride, int64_t rows, int64_t columns);

}  // namespace heed
