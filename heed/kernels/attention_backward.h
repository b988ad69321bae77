#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "heed/kernels/attention.h"

namespace heed::kernels {

// Backward of attention, recomputing the weights tile by tile (FlashAttention-2; Dao, 2023,
// algorithm 2; docs/math/attention.md, "Backward", derives it). With p, lse and score as in
// attention.h, m[t, s] what dropout multiplies a weight by, and x = scale * q . k before softcap:
//
//   delta[t] = sum_e dy[t, e] y[t, e]            dp[t, s] = m[t, s] sum_e dy[t, e] v[s, e]
//   dscore[t, s] = p[t, s] (dp[t, s] - delta[t])   dx = dscore (1 - tanh(x / softcap)^2)
//   dv[s] = sum_t m[t, s] p[t, s] dy[t]   dq[t] = scale sum_s dx[t, s] k[s]
//   dk[s] = scale sum_t dx[t, s] q[t]     dsink = -sum_t exp(sink - lse[t]) delta[t],
//
// the sums of dk and dv over every query of every head that shares the key; additive masks and
// biases by distance get sums of dscore.
// Shapes and elements as attention.h; y and dy have q's element type, dk and dv that of k; dq is
// summed in f32. Pages: none. Numerics: f32 accumulation, one chain an element: dq[t] over the keys
// in order; dk[s] and dv[s] over the heads of the group and their queries in order. So bits do not
// depend on how keys and queries are cut into blocks. Weights below exp(-87) are 0. A pair of
// weight 0 adds nothing, whatever q, k, v and dy hold; rows with lse = -inf add nothing. Cost: 10
// flops times T S (D + E) / 2; scratch of O(D + E + T), no T x S memory. Law:
// kernels::ref::attention_backward, in f64 inside a block of keys. Threads: none; calls for
// different blocks of keys may run at once with different scratch, and take turns at dq.

/// Queries between two turns.
constexpr int64_t kBackwardQueries = 128;
/// At most so many keys in one call: what it packs must fit the nearest caches.
constexpr int64_t kBackwardKeys = 128;

/// Where dscore itself is added: the gradient of an additive mask that has a query and a key
/// dimension. Keys are contiguous; strides are 0 where the mask is broadcast.
struct AttentionPairs {
  float* data = nullptr;
  int64_t batch = 0;
  int64_t head = 0;
  int64_t query = 0;

  float* at(int64_t b, int64_t h, int64_t t, int64_t s) const {
    return data + b * batch + h * head + t * query + s;
  }
};

/// What backward takes and gives beside the problem. Gradients are null where not wanted; a row
/// (b, h, t) is problem.row(b, h, t).
struct AttentionGradients {
  AttentionRows<const std::byte> y, dy;
  const float* lse = nullptr;  // [B, H, T]
  float* delta = nullptr;      // [B, H, T], from attention_deltas

  AttentionRows<std::byte> dq;      // f32, added to
  AttentionRows<std::byte> dk, dv;  // [B, G, S, D] and [B, G, S, E], written
  std::span<const AttentionPairs> pairs;
  float* row_sums = nullptr;  // [B, H, T], sum_s dscore, added to
  float* key_sums = nullptr;  // [B, H, S], sum_t dscore, added to; key s of a row of key_pitch
  /// [B, H, T + S - 1]: sum of dscore over the pairs of equal s - t, from 1 - T on; added to.
  float* diagonals = nullptr;
  int64_t diagonal_pitch = 0;
};

/// Calls for neighbouring blocks of keys add to the same rows of dq. They do so in key order, so
/// that the bits do not depend on who is first.
class AttentionTurns {
 public:
  /// Returns when the blocks of keys before `keys` are done with the queries of block `block` of
  /// head h.
  virtual void take(int64_t h, int64_t block, KeyRange keys) = 0;
  /// Ends the turn.
  virtual void pass(int64_t h, int64_t block, KeyRange keys) = 0;
  /// The block that stands for all of a head's queries: its turn to add to diagonals.
  static constexpr int64_t kWholeHead = -1;

 protected:
  ~AttentionTurns() = default;
};

/// The keys that any of a block of queries sees, masks apart. A call takes turns at a block of
/// queries if these meet its keys.
inline KeyRange visible_keys(const AttentionProblem& problem, int64_t b, int64_t first,
                             int64_t queries) {
  return {visible_keys(problem, b, first).begin, visible_keys(problem, b, first + queries - 1).end};
}

/// delta of rows [first, first + queries) of head h.
void attention_deltas(const AttentionProblem& problem, const AttentionGradients& gradients,
                      int64_t b, int64_t h, int64_t first, int64_t queries);

/// What keys [keys.begin, keys.end) of kv head g in batch row b give to every gradient. scratch:
/// attention_backward_scratch_bytes, 64-byte aligned.
void attention_backward(const AttentionProblem& problem, const AttentionGradients& gradients,
                        int64_t b, int64_t g, KeyRange keys, AttentionTurns& turns,
                        std::byte* scratch);

/// Scratch of one call.
int64_t attention_backward_scratch_bytes(const AttentionProblem& problem);

namespace ref {
void attention_deltas(const AttentionProblem& problem, const AttentionGradients& gradients,
                      int64_t b, int64_t h, int64_t first, int64_t queries);
void attention_backward(const AttentionProblem& problem, const AttentionGradients& gradients,
                        int64_t b, int64_t g, KeyRange keys, AttentionTurns& turns,
                        std::byte* scratch);
}  // namespace ref

}  // namespace heed::kernels
