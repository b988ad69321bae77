#pragma once

#include "heed/nn/feed_forward.h"
#include "heed/nn/rotary_attention.h"

namespace heed {

/// A block of Llama (Touvron et al., 2023) and of those like it: norms come first, and x itself is
/// never normed.
struct GatedDecoderLayer {
  RmsNorm attention_norm;
  RotaryAttention attend;
  RmsNorm feed_forward_norm;
  GatedFeedForward feed_forward;

  /// x [B, T, C], the angles of its tokens -> [B, T, C].
  Tensor operator()(Tensor x, const RotaryTable& angles, const Mask& mask, const Run& run) const {
    x = x + run.drop(attend(attention_norm(x), angles, mask, run));  // mixes tokens
    return x + run.drop(feed_forward(feed_forward_norm(x)));         // one token at a time
  }
};

}  // namespace heed
