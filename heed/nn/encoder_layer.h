#pragma once

#include <utility>

#include "heed/nn/attention.h"
#include "heed/nn/feed_forward.h"
#include "heed/nn/layer_norm.h"

namespace heed {

/// The sizes and choices of nn.TransformerEncoderLayer and nn.TransformerDecoderLayer.
struct TransformerLayerConfig {
  int64_t width;
  int64_t heads;
  int64_t feed_forward = 2048;
  Activation activation = Activation::relu;
  float epsilon = 1e-5f;
  bool norm_first = false;  // x + f(norm(x)) instead of norm(x + f(x))
  bool bias = true;
};

/// A block of "Attention Is All You Need", figure 1 left; equal to nn.TransformerEncoderLayer (and
/// to its weights' names) with batch_first=True.
class EncoderLayer {
 public:
  struct Parts {
    bool norm_first;
    MultiHeadAttention attend;
    FeedForward feed_forward;
    LayerNorm attention_norm;
    LayerNorm feed_forward_norm;
  };

  /// From weights under other names.
  explicit EncoderLayer(Parts parts)
      : norm_first_(parts.norm_first),
        attend_(std::move(parts.attend)),
        feed_forward_(std::move(parts.feed_forward)),
        attention_norm_(std::move(parts.attention_norm)),
        feed_forward_norm_(std::move(parts.feed_forward_norm)) {}
  EncoderLayer(const Params& params, const TransformerLayerConfig& config)
      : norm_first_(config.norm_first),
        attend_(AttentionWeights::from_torch(params / "self_attn",
                                             {.width = config.width, .bias = config.bias}),
                config.heads),
        feed_forward_(Linear(params / "linear1", config.width, config.feed_forward, config.bias),
                      Linear(params / "linear2", config.feed_forward, config.width, config.bias),
                      config.activation),
        attention_norm_(params / "norm1", config.width, config.epsilon, config.bias),
        feed_forward_norm_(params / "norm2", config.width, config.epsilon, config.bias) {}

  Tensor operator()(Tensor x, const Mask& mask = {}, const Run& run = {}) const {  // x [B, T, C]
    if (norm_first_) {
      x = x + run.drop(attend_(attention_norm_(x), mask, run));
      return x + run.drop(feed_forward_(feed_forward_norm_(x), run));
    }
    x = attention_norm_(x + run.drop(attend_(x, mask, run)));
    return feed_forward_norm_(x + run.drop(feed_forward_(x, run)));
  }

 private:
  bool norm_first_;
  MultiHeadAttention attend_;
  FeedForward feed_forward_;
  LayerNorm attention_norm_;
  LayerNorm feed_forward_norm_;
};

}  // namespace heed
