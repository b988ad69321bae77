#pragma once

#include <cstdint>
#include <optional>

#include "heed/ops/elementwise.h"
#include "heed/ops/mask.h"
#include "heed/tensor/tensor.h"

namespace heed {

/// T5's relative position bias (Raffel et al., 2020): the key at distance j - p from a query at p
/// adds table[bucket][h]. Near distances have a bucket each, farther ones share buckets that grow
/// logarithmically up to max_distance.
struct RelativeBuckets {
  Tensor table;               // [buckets, H], f32
  bool bidirectional = true;  // half of the buckets for keys after the query; else those share one
  int64_t max_distance = 128;

  /// The bucket of a key at distance (key's position - query's position).
  static int64_t bucket(int64_t distance, int64_t buckets, bool bidirectional,
                        int64_t max_distance);
};

struct AttentionOptions {
  /// Factor on q.k; absent: 1 / sqrt(D).
  std::optional<float> scale = std::nullopt;
  /// c > 0: a scaled q.k becomes c tanh(q.k / c), before masks and biases (Gemma 2); 0: as it is.
  /// 1 / c must be finite.
  float softcap = 0.0F;
  Mask mask = {};
  /// [H], f32: a key at distance n from the query adds -slope n (ALiBi; Press et al., 2021).
  Tensor alibi = {};
  std::optional<RelativeBuckets> relative = std::nullopt;
  /// [H], f32: one more logit a head, with no value, in every row's softmax (attention sinks;
  /// gpt-oss).
  Tensor sinks = {};
  /// Of weights, after the softmax.
  Dropout dropout = {};
};

/// Keys and values in pages of N tokens, shared by batch rows as the table says: token s of batch
/// row b is token s % N of page table[b, s / N]. S = M N; Mask::padding says how many are there.
struct KvPages {
  Tensor k;      // [P, G, N, D]
  Tensor v;      // [P, G, N, E]
  Tensor table;  // [B, M], i32; entries of pages wholly past the length are not read
};

/// What attention_outputs returns beside y.
struct AttentionWant {
  bool lse = false;      // log of the sum of exp of a row's visible scores (and its sink)
  bool weights = false;  // the softmax before dropout, [B, H, T, S]: N x N memory
  bool scores = false;   // scores with softcap, biases and mask applied (-inf where hidden)
};

struct AttentionOutputs {
  Tensor y;        // [B, H, T, E]
  Tensor lse;      // [B, H, T], f32
  Tensor weights;  // [B, H, T, S], f32
  Tensor scores;   // [B, H, T, S], f32
};

/// Scaled dot-product attention ("Attention Is All You Need", 2017, eq. 1), fused: no T x S matrix
/// is made. q [B, H, T, D]; k [B, G, S, D]; v [B, G, S, E] with H a multiple of G (query head h
/// uses key/value head h / (H / G)); f32, bf16 or f16, k and v alike, computed in f32; the last
/// dimension contiguous, the others with any strides (so [B, T, H, D] data is passed as a
/// transposed view, no copy). Returns y [B, H, T, E] of q's dtype, laid out in memory as [B, T, H,
/// E], so that y.transpose(1, 2).reshape({B, T, H * E}) is free. A query that sees no key gives y =
/// 0, weights 0, lse = -inf (with a sink: the sink); hidden keys have no effect even where they
/// hold NaN or Inf. Throws Error invalid_argument on shapes and options that disagree.
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v,
                 const AttentionOptions& options = {});
Tensor attention(const Tensor& q, const KvPages& pages, const AttentionOptions& options = {});

/// The same y, bit for bit, with what was wanted beside it.
AttentionOutputs attention_outputs(const Tensor& q, const Tensor& k, const Tensor& v,
                                   const AttentionOptions& options, const AttentionWant& want);
AttentionOutputs attention_outputs(const Tensor& q, const KvPages& pages,
                                   const AttentionOptions& options, const AttentionWant& want);

}  // namespace heed
