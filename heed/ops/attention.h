#pragma once

#include <optional>

#include "heed/ops/mask.h"
#include "heed/tensor/tensor.h"

namespace heed {

struct AttentionOptions {
  /// Factor on q.k; absent: 1 / sqrt(D).
  std::optional<float> scale = std::nullopt;
  Mask mask = {};
};

/// What attention_outputs returns beside y.
struct AttentionWant {
  bool lse = false;      // log of the sum of exp of a row's visible scores
  bool weights = false;  // the softmax, [B, H, T, S]: N x N memory
  bool scores = false;   // scale * q.k with the mask applied (-inf where hidden), [B, H, T, S]
};

struct AttentionOutputs {
  Tensor y;        // [B, H, T, E]
  Tensor lse;      // [B, H, T]
  Tensor weights;  // [B, H, T, S]
  Tensor scores;   // [B, H, T, S]
};

/// Scaled dot-product attention ("Attention Is All You Need", 2017, eq. 1), fused: no T x S matrix
/// is made. q [B, H, T, D]; k [B, G, S, D]; v [B, G, S, E] with H a multiple of G (query head h
/// uses key/value head h / (H / G)); f32; the last dimension contiguous, the others with any
/// strides (so [B, T, H, D] data is passed as a transposed view, no copy). Returns y [B, H, T, E],
/// laid out in memory as [B, T, H, E], so that y.transpose(1, 2).reshape({B, T, H * E}) is free. A
/// query that sees no key gives y = 0, weights 0, lse = -inf; hidden keys have no effect even where
/// they hold NaN or Inf. Throws Error invalid_argument on shapes that disagree.
Tensor attention(const Tensor& q, const Tensor& k, const Tensor& v,
                 const AttentionOptions& options = {});

/// The same y, bit for bit, with what was wanted beside it.
AttentionOutputs attention_outputs(const Tensor& q, const Tensor& k, const Tensor& v,
                                   const AttentionOptions& options, const AttentionWant& want);

}  // namespace heed
