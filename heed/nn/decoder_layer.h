#pragma once

#include <utility>

#include "heed/nn/encoder_layer.h"

namespace heed {

/// A block of "Attention Is All You Need", figure 1 right; equal to nn.TransformerDecoderLayer (and
/// to its weights' names) with batch_first=True. mask holds between the tokens themselves (causal,
/// say), memory_mask between them and the memory.
class DecoderLayer {
 public:
  struct Parts {
    bool norm_first;
    MultiHeadAttention attend;
    MultiHeadAttention attend_memory;
    FeedForward feed_forward;
    LayerNorm attention_norm;
    LayerNorm memory_norm;
    LayerNorm feed_forward_norm;
  };

  /// From weights under other names.
  explicit DecoderLayer(Parts parts)
      : norm_first_(parts.norm_first),
        attend_(std::move(parts.attend)),
        attend_memory_(std::move(parts.attend_memory)),
        feed_forward_(std::move(parts.feed_forward)),
        attention_norm_(std::move(parts.attention_norm)),
        memory_norm_(std::move(parts.memory_norm)),
        feed_forward_norm_(std::move(parts.feed_forward_norm)) {}
  DecoderLayer(const Params& params, const TransformerLayerConfig& config)
      : norm_first_(config.norm_first),
        attend_(AttentionWeights::from_torch(params / "self_attn",
                                             {.width = config.width, .bias = config.bias}),
                config.heads),
        attend_memory_(AttentionWeights::from_torch(params / "multihead_attn",
                                                    {.width = config.width, .bias = config.bias}),
                       config.heads, AttentionInputs::memory),
        feed_forward_(Linear(params / "linear1", config.width, config.feed_forward, config.bias),
                      Linear(params / "linear2", config.feed_forward, config.width, config.bias),
                      config.activation),
        attention_norm_(params / "norm1", config.width, config.epsilon, config.bias),
        memory_norm_(params / "norm2", config.width, config.epsilon, config.bias),
        feed_forward_norm_(params / "norm3", config.width, config.epsilon, config.bias) {}

  /// x [B, T, C], memory [B, S, C] -> [B, T, C].
  Tensor operator()(Tensor x, const Tensor& memory, const Mask& mask = {},
                    const Mask& memory_mask = {}, const Run& run = {}) const {
    if (norm_first_) {
      x = x + run.drop(attend_(attention_norm_(x), mask, run));
      x = x + run.drop(attend_memory_(memory_norm_(x), memory, memory_mask, run));
      return x + run.drop(feed_forward_(feed_forward_norm_(x), run));
    }
    x = attention_norm_(x + run.drop(attend_(x, mask, run)));
    x = memory_norm_(x + run.drop(attend_memory_(x, memory, memory_mask, run)));
    return feed_forward_norm_(x + run.drop(feed_forward_(x, run)));
  }

 private:
  bool norm_first_;
  MultiHeadAttention attend_;
  MultiHeadAttention attend_memory_;
  FeedForward feed_forward_;
  LayerNorm attention_norm_;
  LayerNorm memory_norm_;
  LayerNorm feed_forward_norm_;
};

}  // namespace heed
