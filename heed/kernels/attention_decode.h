#pragma once

#include <cstddef>
#include <cstdint>

#include "heed/kernels/attention_problem.h"

namespace heed::kernels {

// Attention of one query a head, as when decoding: the contract of attention.h where T = 1. What
// limits it is reading keys and values once, so the H / G query heads of a key/value head go
// together, and keys are cut in spans that different threads may take. It rounds differently from
// attention(): a score is a sum over lanes. Its bits depend on the same things: spans begin at
// multiples of kAttentionSpan, chunks in them at multiples of kAttentionChunk, and both are merged
// in key order. Under Isa::avx512_bf16, where every element is bf16, weights are rounded to bf16
// and small numbers count as 0 as in attention_pairs.h.
// Law: kernels::ref::attention.

/// Keys of a partial result; part of the contract, since bits depend on it.
constexpr int64_t kAttentionSpan = 4096;

/// Whether this problem is decode's: one query, and a vector instruction set in use.
bool attention_decodes(const AttentionProblem& problem);

/// Floats of the partial result of one kv head over one span: for each of its heads the largest
/// score, the sum of exp(score - largest) and E sums of values.
int64_t attention_partial_floats(const AttentionProblem& problem);

/// Some kv heads of batch row b over span `span`.
struct DecodeTask {
  int64_t b;
  int64_t first, last;  // kv heads
  int64_t span;
  float* partials;  // of the first; the others' so many floats apart
  int64_t apart;
};

/// Also keeps the scores that the problem wants. scratch: attention_decode_scratch_bytes, 64-byte
/// aligned. A head's bits do not depend on those beside it.
void attention_decode(const AttentionProblem& problem, const DecodeTask& task, std::byte* scratch);
int64_t attention_decode_scratch_bytes(const AttentionProblem& problem, int64_t groups);

/// Merges the partials of kv head g (attention_partial_floats apart, spans of them, in key order)
/// and writes y, lse, weights and scores of its heads. partials: changed.
void attention_merge(const AttentionProblem& problem, int64_t b, int64_t g, float* partials,
                     int64_t spans);

}  // namespace heed::kernels
