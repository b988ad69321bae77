#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <vector>

#include "heed/kernels/blocks.h"
#include "heed/kernels/element.h"

namespace heed::kernels {

inline constexpr BlockKind kEveryKind[] = {BlockKind::f32,  BlockKind::f16,  BlockKind::bf16,
                                           BlockKind::q4_0, BlockKind::q4_1, BlockKind::q5_0,
                                           BlockKind::q5_1, BlockKind::q8_0, BlockKind::q4_k,
                                           BlockKind::q5_k, BlockKind::q6_k};
static_assert(std::size(kEveryKind) == kBlockKinds);

/// Rows of random bytes, but for the f16 that blocks begin or end with and for plain numbers, which
/// are within [-1, 1).
struct RandomRows {
  std::vector<std::byte> bytes;
  BlockRows rows;

  RandomRows(BlockKind kind, int64_t count, int64_t columns, uint32_t seed = 1)
      : bytes(static_cast<size_t>(count * block_row_bytes(kind, columns) + 1)),
        rows{kind, bytes.data(), block_row_bytes(kind, columns), columns} {
    std::mt19937 random(seed);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random());
    std::uniform_real_distribution<float> unit(-1.0F, 1.0F);
    const int64_t size = block_bytes(kind);
    for (int64_t at = 0; at + size <= int64_t(bytes.size()); at += size) {
      std::byte* block = bytes.data() + at;
      for (const int64_t half : halves(kind)) {
        store_element(Element::f16, unit(random), block + half);
      }
      if (kind == BlockKind::f32) store_element(Element::f32, unit(random), block);
      if (kind == BlockKind::bf16) store_element(Element::bf16, unit(random), block);
    }
  }
  RandomRows(const RandomRows&) = delete;
  RandomRows& operator=(const RandomRows&) = delete;

  /// Where a block has f16.
  static std::vector<int64_t> halves(BlockKind kind) {
    switch (kind) {
      case BlockKind::f32:
      case BlockKind::bf16:
        return {};
      case BlockKind::f16:
      case BlockKind::q4_0:
      case BlockKind::q5_0:
      case BlockKind::q8_0:
        return {0};
      case BlockKind::q6_k:
        return {208};
      default:
        return {0, 2};
    }
  }
};

}  // namespace heed::kernels
