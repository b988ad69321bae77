#pragma once

#include <cstddef>
#include <cstdint>

#include "heed/base/block_kind.h"

namespace heed::kernels {

/// Rows of weights in blocks: row i is `columns` numbers (a multiple of block_size(kind)) from data
/// + i row_bytes on, aligned as its numbers are: f32 to 4 bytes, the others to 2.
struct BlockRows {
  BlockKind kind;
  const std::byte* data;
  int64_t row_bytes;
  int64_t columns;
  const std::byte* row(int64_t i) const { return data + i * row_bytes; }
};

/// to[i, k] = row first + i as f32 for i < count, rows of `to` `stride` floats apart. By the
/// formulas of heed/base/block_kind.h in f32, each product, sum and difference rounded by itself:
/// the bits of the Python package gguf. No threads.
void dequantize(const BlockRows& from, int64_t first, int64_t count, float* to, int64_t stride);

/// Whether there is a quantize() for the kind: f32, f16, bf16, q4_0, q4_1, q8_0.
bool can_quantize(BlockKind kind);
/// The blocks of one row x [count], a multiple of block_size(kind), which can_quantize. To the bits
/// of the Python package gguf for finite numbers; others give some number. No threads.
void quantize(BlockKind kind, const float* x, int64_t count, std::byte* to);

namespace ref {
void dequantize(const BlockRows& from, int64_t first, int64_t count, float* to, int64_t stride);
void quantize(BlockKind kind, const float* x, int64_t count, std::byte* to);
}  // namespace ref

}  // namespace heed::kernels
