#pragma once

#include <cstddef>
#include <cstdint>

#include "heed/kernels/attention_problem.h"

namespace heed::kernels {

// Scaled dot-product attention, fused (Vaswani et al., 2017, eq. 1; the online softmax of Milakov
// and Gimelshein, 2018; docs/math/attention.md derives it):
//
//   score[t, s] = softcap(scale * sum_d q[t, d] k[s, d]) + distance bias + sum of additive masks
//   y[t] = sum_s dropout(p[t, s]) v[s],   p[t, s] = exp(score[t, s] - lse[t]),
//   lse[t] = log(sum_s exp(score[t, s]) + exp(sink)),   s over the keys that t sees.
//
// Shapes: q [B, H, T, D], k [B, G, S, D], v [B, G, S, E], y [B, H, T, E], H a multiple of G; query
// head h uses key/value head h / (H / G). Rows (the last dimension) are contiguous, every other
// stride is free. q and y share an element type, k and v another.
// Numerics: f32, bf16 or f16 in and out. The fast kernels accumulate in f32, one chain an element:
// a score over d, an output over the keys. Keys are cut in chunks of kAttentionChunk from key 0 on
// and merged in key order, so a row's bits depend on its own q, k, v, masks and visible range and
// on nothing else: not on other rows, padding behind the keys, or how calls are split. (Padding in
// front moves keys to other places in their chunks.) Weights below exp(-87) are 0. A score of -inf
// hides its key. A row that sees no key gives y = 0, weights 0, lse = -inf (with a sink: lse = the
// sink). Hidden keys have no effect, whatever they hold. (A visible key that holds infinity may
// give NaN in the fast kernels where a later maximum makes its weight 0.) Cost: 2 T S (D + E)
// flops; no T x S memory unless weights or scores are asked for. Law: kernels::ref::attention, in
// f64 inside. Tolerance: docs/math/attention.md, "Numerics". Threads: none; calls with different
// rows may run at once with different scratch.

/// Every kernel takes so many queries in one call, with any report.
constexpr int64_t kAttentionQueries = 128;
/// What the problem's kernel takes at most, and what pays: the more queries go over a chunk, the
/// less it costs to read its keys and values, or to pack them. At least kAttentionQueries.
int64_t attention_queries(const AttentionProblem& problem);
constexpr int64_t kMostAttentionQueries = 512;  // of the vector kernels, and with a report
/// Keys between two rescalings of the output; part of the contract, since bits depend on it.
constexpr int64_t kAttentionChunk = 128;

/// Rows [first, first + queries) of head h in batch row b; queries <= attention_queries(problem).
/// scratch: attention_scratch_bytes, 64-byte aligned.
void attention(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first,
               int64_t queries, std::byte* scratch);

/// Scratch of one call.
int64_t attention_scratch_bytes(int64_t head_dim, int64_t value_dim);

namespace ref {
void attention(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first,
               int64_t queries, std::byte* scratch);

/// The law's score of a key, in f64: -inf where query t of head h does not see it.
double attention_score(const AttentionProblem& problem, int64_t b, int64_t h, int64_t t, int64_t s);
}  // namespace ref

}  // namespace heed::kernels
