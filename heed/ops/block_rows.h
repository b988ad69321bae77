#pragma once

#include "heed/kernels/blocks.h"
#include "heed/tensor/block_matrix.h"

namespace heed::internal {

/// The matrix as kernels take it.
inline kernels::BlockRows block_rows(const BlockMatrix& matrix) {
  return {matrix.kind, matrix.data, matrix.row_bytes, matrix.columns};
}

}  // namespace heed::internal
