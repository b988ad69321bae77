#pragma once

#include <optional>
#include <vector>

#include "heed/models/encoder_decoder.h"
#include "heed/nn/attention.h"
#include "heed/nn/embedding.h"
#include "heed/nn/feed_forward.h"
#include "heed/nn/rms_norm.h"

namespace heed {

class ConfigReader;

/// The sizes and choices of a T5, by the names of config.json.
struct T5Config {
  int64_t vocab = 0;           // vocab_size
  int64_t width = 0;           // d_model
  int64_t head_dim = 0;        // d_kv: heads need not be width / heads wide
  int64_t heads = 0;           // num_heads
  int64_t encoder_layers = 0;  // num_layers
  int64_t decoder_layers = 0;  // num_decoder_layers; absent: num_layers
  int64_t feed_forward = 0;    // d_ff
  int64_t buckets = 32;        // relative_attention_num_buckets
  int64_t max_distance = 128;  // relative_attention_max_distance
  float epsilon = 1e-6f;       // layer_norm_epsilon
  bool gated = false;          // feed_forward_proj "gated-..." (1.1), else one product
  Activation activation = Activation::relu;  // the rest of it; "gated-gelu" is gelu_new
  /// The decoder's states are scaled by 1 / sqrt(C) before the output product, as where that is
  /// tied to the embeddings: tie_word_embeddings, or scale_decoder_outputs where a file says so;
  /// never in model_type "mt5".
  bool scaled = true;

  /// Error corrupt_data for a field of the wrong type or range, unsupported for unknown
  /// activations.
  static T5Config read(const ConfigReader& file);
};

/// One product or two of which one opens the other, without biases.
class T5FeedForward {
 public:
  T5FeedForward(const Params& params, const T5Config& config);
  Tensor operator()(const Tensor& x, const Run& run) const {  // x [B, T, C]
    return gated_ ? (*gated_)(x, run) : plain_(x, run);
  }

 private:
  std::optional<GatedFeedForward> gated_;
  FeedForward plain_;
};

struct T5EncoderBlock {
  /// relative: what all blocks of a stack add by distance.
  T5EncoderBlock(const Params& params, const T5Config& config, const RelativeBuckets& relative);
  Tensor operator()(Tensor x, const Mask& mask, const Run& run) const;  // x [B, S, C]

  RmsNorm attention_norm;
  MultiHeadAttention attend;
  RmsNorm feed_forward_norm;
  T5FeedForward feed_forward;
};

struct T5DecoderBlock {
  T5DecoderBlock(const Params& params, const T5Config& config, const RelativeBuckets& relative);
  /// x [B, T, C], memory [B, S, C] -> [B, T, C].
  Tensor operator()(Tensor x, const Tensor& memory, const Mask& mask, const Mask& memory_mask,
                    const Run& run) const;

  RmsNorm attention_norm;
  MultiHeadAttention attend;
  RmsNorm memory_norm;
  MultiHeadAttention attend_memory;
  RmsNorm feed_forward_norm;
  T5FeedForward feed_forward;
};

/// T5 (Raffel et al., 2020) 1.0 and 1.1, FLAN-T5 and mT5, equal to transformers'
/// T5ForConditionalGeneration. There are no position vectors: attention knows how far apart two
/// tokens are (docs/math/t5.md), so that texts may be of any length. The output matrix is lm_head's
/// where the checkpoint has one, else the embeddings'. The last of the states that a Run's observer
/// sees is after the final norm.
class T5 : public EncoderDecoder {
 public:
  T5(const T5Config& config, const Params& params);

  const EncoderDecoderFacts& facts() const override { return facts_; }
  Memory encode(const EncoderInput& source, const Run& run = {}) const override;
  Tensor decode(const Tensor& ids, const Memory& memory, const Run& run = {}) const override;
  const Tensor& output_weight() const override { return output_weight_; }
  Tensor final_norm(const Tensor& states) const override;
  Tensor logits(const Tensor& states) const override { return output_(states); }

 private:
  EncoderDecoderFacts facts_;
  Embedding words_;
  std::vector<T5EncoderBlock> encoder_;
  std::vector<T5DecoderBlock> decoder_;
  RmsNorm encoder_norm_;
  RmsNorm decoder_norm_;
  float output_scale_;
  Tensor output_weight_;  // [V, C]
  Linear output_;
  bool trained_ = false;  // its weights are parameters in training
};

}  // namespace heed
