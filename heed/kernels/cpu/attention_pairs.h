#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "heed/kernels/attention.h"

namespace heed::kernels {

// attention() (attention.h) for bf16 queries, keys and values with products of pairs of bf16: AMX's
// tiles under Isa::amx, AVX512-BF16's dot product under Isa::avx512_bf16. Beside that contract:
// the weights of keys are rounded to bf16 before they meet the values, keys go in pairs on a grid
// from key 0 on (in tiles 32 at a time), and numbers below 2^-126 count as 0 in both products.
// Scores are one chain of products over d, in tiles two chains for every 32 elements. Tolerance:
// docs/math/attention.md, "The bf16 kernels".

constexpr int64_t kPairWidth = 32;  // queries of a tile
/// Queries in one call, at most; values are packed once for all of them.
constexpr int64_t kPairQueries = 512;

/// Whether the problem's call is one of these kernels': their Isa in use, and every element bf16.
bool pairs_serve(const AttentionProblem& problem);

/// Rows [first, first + queries) of head h in batch row b; queries <= attention_queries(problem).
/// scratch: attention_scratch_bytes, 64-byte aligned.
void attention_amx(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first,
                   int64_t queries, std::byte* scratch);
void attention_bf16(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first,
                    int64_t queries, std::byte* scratch);

/// The largest power of 2, at most 1, in the scale: q times it is exact in bf16 (but for the
/// flushing of numbers near 2^-126).
inline float power_in(float scale) {
  int exponent = 0;
  std::frexp(scale, &exponent);
  return std::ldexp(1.0F, std::min(exponent - 1, 0));
}

/// What of the scratch is their own.
int64_t attention_pairs_scratch_bytes(int64_t head_dim, int64_t value_dim);

}  // namespace heed::kernels
