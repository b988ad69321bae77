#pragma once

#include "heed/tensor/block_matrix.h"
#include "heed/tensor/tensor.h"

namespace heed {

/// W [N, K] f32: the numbers that the blocks stand for (heed/base/block_kind.h), to the bits of the
/// Python package gguf.
Tensor dequantize(const BlockMatrix& matrix);

/// The blocks nearest to matrix [N, K] (f32, bf16 or f16), in memory of their own: q8_0, q4_0 and
/// q4_1 by the rounding of the Python package gguf, to the bit, or f32, bf16, f16. Error
/// unsupported for other kinds, and where K is not a multiple of the block.
BlockMatrix quantize(const Tensor& matrix, BlockKind kind);

/// matrix [N, K] (f32, bf16 or f16) as blocks of its own kind: the tensor's memory where its rows
/// have a unit stride, else a copy.
BlockMatrix as_blocks(const Tensor& matrix);

}  // namespace heed
