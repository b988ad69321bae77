#pragma once

#include <cstdint>
#include <vector>

#include "heed/tensor/tensor.h"

namespace heed {

/// Cosines and sines of the angles of rotary positions, f32, R <= D the rotated part of a head:
/// [P, R/2] by position, or [B, T, R/2] for each token.
struct RotaryTable {
  Tensor cosines;
  Tensor sines;
};

/// 1 / base^(2i / R) for each of R/2 pairs (Su et al., 2021, sec. 3.2.2): what a pair's angle grows
/// by from position to position. In f32, as the published models compute it. Error
/// invalid_argument for an odd R or a base that is not positive.
std::vector<float> rotary_frequencies(int64_t rotary_dim, float base = 10000.0F);

/// Positions 0 to P - 1 of those frequencies, likewise in f32: [P, R/2]. Errors as above.
RotaryTable rotary_table(int64_t positions, int64_t rotary_dim, float base = 10000.0F);

/// Which elements of a head make pair i of R/2.
enum class RotaryPairs : uint8_t {
  halves,       // i and i + R/2 (Llama as Hugging Face lays it out, GPT-NeoX)
  interleaved,  // 2i and 2i + 1 (the paper, GPT-J)
};

struct RotaryOptions {
  RotaryPairs pairs = RotaryPairs::halves;
  /// Position of token 0; token t stands at first_position + t (a cache's length so far).
  int64_t first_position = 0;
  /// [B, T] or [T], i32: each token's position instead. Not with a table for each token.
  Tensor positions = {};
};

/// Turns each pair of the first R elements of every head by its position's angle; the rest stays.
/// x [B, H, T, D], f32, bf16 or f16, the last dimension contiguous, the others with any strides (so
/// [B, T, H, D] data is a transposed view); computed in f32. Returns a new tensor, laid out in
/// memory as [B, T, H, D]. Error invalid_argument names a position outside the table.
Tensor rotary(const Tensor& x, const RotaryTable& table, const RotaryOptions& options = {});
/// The same, in x's own memory. Error invalid_argument if its gradient would be recorded.
void rotate_in_place(const Tensor& x, const RotaryTable& table, const RotaryOptions& options = {});

}  // namespace heed
