#pragma once

#include "heed/tensor/block_matrix.h"
#include "heed/tensor/tensor.h"

namespace heed {

/// Rows of table [V, C] (f32, bf16 or f16; may be a mapped file) at ids [...] i32 -> [..., C] f32.
/// Error invalid_argument names an id outside [0, V). With a traced table that is any result [N, C]
/// it picks rows of that: masked positions, a text's first token. Backward adds dy's rows to the
/// gradient's, in the order of ids; rows that are not named are not touched, nor is row `padding`
/// (padding_idx of nn.Embedding; -1: none).
Tensor embedding(const Tensor& table, const Tensor& ids, int32_t padding = -1);
/// The same of a table in blocks (heed/ops/blocks.h), de-quantised row by row. No gradient.
Tensor embedding(const BlockMatrix& table, const Tensor& ids);

}  // namespace heed
