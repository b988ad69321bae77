#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "heed/base/block_kind.h"

namespace heed {

/// A matrix of weights W [N, K] as its file has it: row i is K / block_size(kind) blocks from data
/// + i row_bytes on. A view, like Tensor: copies share the memory, which may be a mapped file and
/// is only read.
struct BlockMatrix {
  BlockKind kind = BlockKind::f32;
  int64_t rows = 0;                   // N
  int64_t columns = 0;                // K, a multiple of block_size(kind)
  const std::byte* data = nullptr;    // of any alignment
  int64_t row_bytes = 0;              // from one row to the next, block_row_bytes(kind, K) at least
  std::shared_ptr<const void> owner;  // keeps data alive
  /// Products round their inputs to 8 bits first, where the kind is quantised
  /// (heed/kernels/int8_product.h).
  bool int8_inputs = false;

  /// Rows [begin, end).
  BlockMatrix slice(int64_t begin, int64_t end) const {
    BlockMatrix part = *this;
    part.data += begin * row_bytes;
    part.rows = end - begin;
    return part;
  }
};

}  // namespace heed
