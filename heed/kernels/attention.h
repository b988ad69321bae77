#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

namespace heed::kernels {

// Scaled dot-product attention, fused (Vaswani et al., 2017, eq. 1; the online softmax of Milakov
// and Gimelshein, 2018; docs/math/attention.md derives it):
//
//   score[t, s] = scale * sum_d q[t, d] k[s, d] + sum of the additive masks
//   y[t] = sum_s p[t, s] v[s],   p[t, s] = exp(score[t, s] - lse[t]),
//   lse[t] = log(sum_s exp(score[t, s])),   s over the keys that t sees.
//
// Shapes: q [B, H, T, D], k [B, G, S, D], v [B, G, S, E], y [B, H, T, E], H a multiple of G; query
// head h uses key/value head h / (H / G). Rows (the last dimension) are contiguous, every other
// stride is free.
// Numerics: f32 in and out. The fast kernels accumulate in f32, one chain an element: a score over
// d, an output over the keys. Keys are cut in chunks of kAttentionChunk from key 0 on and merged in
// key order, so a row's bits depend on its own q, k, v, masks and visible range and on nothing
// else: not on other rows, padding, or how calls are split. Weights below exp(-87) are 0.
// A score of -inf hides its key. A row that sees no key gives y = 0, weights 0, lse = -inf. Hidden
// keys have no effect, whatever they hold. (A visible key that holds infinity may give NaN in the
// fast kernels where a later maximum makes its weight 0.)
// Cost: 2 T S (D + E) flops; no T x S memory unless weights or scores are asked for.
// Law: kernels::ref::attention, in f64 inside. Tolerance: docs/math/attention.md, "Numerics".
// Threads: none; calls with different rows may run at once with different scratch.

/// Rows of [B, H, T, size] data: element (b, h, t, i) is data[b*batch + h*head + t*row + i].
template <class T>
struct AttentionRows {
  T* data = nullptr;
  int64_t batch = 0;
  int64_t head = 0;
  int64_t row = 0;

  T* at(int64_t b, int64_t h, int64_t t) const { return data + b * batch + h * head + t * row; }
};

/// One mask over [B, H, T, S], broadcast where a stride is 0: either visible (true = visible) or
/// bias (finite or -inf) is set.
struct AttentionMask {
  const bool* visible = nullptr;
  const float* bias = nullptr;
  int64_t batch = 0;
  int64_t head = 0;
  int64_t query = 0;
  int64_t key = 0;

  int64_t offset(int64_t b, int64_t h, int64_t t, int64_t s) const {
    return b * batch + h * head + t * query + s * key;
  }
};

/// Half-open range of keys.
struct KeyRange {
  int64_t begin = 0;
  int64_t end = 0;
};

struct AttentionProblem {
  int64_t heads = 0;      // H
  int64_t kv_heads = 0;   // G
  int64_t queries = 0;    // T
  int64_t keys = 0;       // S
  int64_t head_dim = 0;   // D
  int64_t value_dim = 0;  // E
  AttentionRows<const float> q, k, v;
  AttentionRows<float> y;
  float scale = 1.0F;
  /// Query t of batch row b sees keys s <= t + causal_offsets[b]; null: every key. [B]
  const int64_t* causal_offsets = nullptr;
  /// Keys s < lengths[b] are visible, lengths in [0, S]; null: all S. [B]
  const int64_t* lengths = nullptr;
  std::span<const AttentionMask> masks;
  float* lse = nullptr;      // [B, H, T], or null
  float* weights = nullptr;  // [B, H, T, S], or null
  float* scores = nullptr;   // [B, H, T, S] with every mask applied, or null

  int64_t kv_head(int64_t h) const { return h / (heads / kv_heads); }
  int64_t row(int64_t b, int64_t h, int64_t t) const { return (b * heads + h) * queries + t; }
};

/// The keys that causality and lengths leave to a query; the masks may hide some of them.
inline KeyRange visible_keys(const AttentionProblem& problem, int64_t b, int64_t t) {
  int64_t end = problem.lengths == nullptr ? problem.keys : problem.lengths[b];
  if (problem.causal_offsets != nullptr) end = std::min(end, t + problem.causal_offsets[b] + 1);
  return {0, std::max<int64_t>(end, 0)};
}

/// At most so many queries in one call: enough that keys and values, read once a call, cost little.
constexpr int64_t kAttentionQueries = 128;
/// Keys between two rescalings of the output; part of the contract, since bits depend on it.
constexpr int64_t kAttentionChunk = 128;

/// Rows [first, first + queries) of head h in batch row b; queries <= kAttentionQueries. scratch:
/// attention_scratch_bytes, 64-byte aligned.
void attention(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first,
               int64_t queries, std::byte* scratch);

/// Scratch of one call.
int64_t attention_scratch_bytes(int64_t head_dim, int64_t value_dim);

namespace ref {
void attention(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first,
               int64_t queries, std::byte* scratch);
}

}  // namespace heed::kernels
