#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace heed {

/// How a matrix of weights is stored: rows of blocks, each some neighbouring numbers with what they
/// share. The layouts are GGUF's, little-endian (d, m, dmin are f16):
///
///     f32, f16, bf16  one number a block
///     q4_0  d, 16 bytes: w = d (q - 8), q from the low halves of the bytes, then from the high
///     ones q4_1  d, m, 16 bytes: w = d q + m q5_0  d, 4 bytes of fifth bits, 16 bytes: w = d (q -
///     16) q5_1  d, m, 4 bytes of fifth bits, 16 bytes: w = d q + m q8_0  d, 32 signed bytes: w = d
///     q q4_k  d, dmin, 12 bytes of eight 6-bit pairs (s, m), 128 bytes: w = (d s) q - (dmin m)
///     q5_k  the same with 32 bytes of fifth bits before the 128
///     q6_k  128 bytes, 64 bytes of upper bits, 16 signed bytes s, d: w = (d s) (q - 32)
enum class BlockKind : uint8_t { f32, f16, bf16, q4_0, q4_1, q5_0, q5_1, q8_0, q4_k, q5_k, q6_k };
inline constexpr size_t kBlockKinds = 11;

namespace internal {
struct BlockLayout {
  std::string_view name;
  int64_t size;  // numbers
  int64_t bytes;
};
inline constexpr std::array<BlockLayout, kBlockKinds> kBlockLayouts{{{"f32", 1, 4},
                                                                     {"f16", 1, 2},
                                                                     {"bf16", 1, 2},
                                                                     {"q4_0", 32, 18},
                                                                     {"q4_1", 32, 20},
                                                                     {"q5_0", 32, 22},
                                                                     {"q5_1", 32, 24},
                                                                     {"q8_0", 32, 34},
                                                                     {"q4_k", 256, 144},
                                                                     {"q5_k", 256, 176},
                                                                     {"q6_k", 256, 210}}};
constexpr const BlockLayout& layout_of(BlockKind kind) {
  return kBlockLayouts[static_cast<size_t>(kind)];
}
}  // namespace internal

/// Numbers in a block.
constexpr int64_t block_size(BlockKind kind) { return internal::layout_of(kind).size; }
/// Bytes of a block.
constexpr int64_t block_bytes(BlockKind kind) { return internal::layout_of(kind).bytes; }
/// Bytes of a row of so many numbers, a multiple of block_size.
constexpr int64_t block_row_bytes(BlockKind kind, int64_t columns) {
  return columns / block_size(kind) * block_bytes(kind);
}
/// "f32", "q4_1", "q6_k": the enumerator's name.
constexpr std::string_view to_string(BlockKind kind) { return internal::layout_of(kind).name; }

}  // namespace heed
