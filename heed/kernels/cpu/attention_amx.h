#pragma once

#include <cstddef>
#include <cstdint>

#include "heed/kernels/attention.h"

namespace heed::kernels {

// attention() (attention.h) for bf16 queries, keys and values with AMX's tile products. Beside that
// contract: scores are two chains of products over d for every 32 elements, the weights of keys are
// rounded to bf16 before they meet the values, keys of 32 at a time from key 0 on, and numbers
// below 2^-126 count as 0 in both products. Tolerance: docs/math/attention.md, "The bf16 tile
// kernel".

/// Queries in one call, at most; values are packed once for all of them.
constexpr int64_t kAmxQueries = 512;

/// Whether the problem's call is this kernel's: Isa::amx in use, and every element bf16.
bool amx_serves(const AttentionProblem& problem);

/// Rows [first, first + queries) of head h in batch row b; queries <= attention_queries(problem).
/// scratch: attention_scratch_bytes, 64-byte aligned.
void attention_amx(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first,
                   int64_t queries, std::byte* scratch);

/// What of that is its own.
int64_t attention_amx_scratch_bytes(int64_t head_dim, int64_t value_dim);

}  // namespace heed::kernels
