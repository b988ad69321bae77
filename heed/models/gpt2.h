#pragma once

#include <vector>

#include "heed/models/causal.h"
#include "heed/nn/attention.h"
#include "heed/nn/embedding.h"
#include "heed/nn/feed_forward.h"
#include "heed/nn/layer_norm.h"
#include "heed/nn/positions.h"

namespace heed {

class ConfigReader;

/// The sizes of a GPT-2 (Radford et al., 2019), by the names of config.json.
struct Gpt2Config {
  int64_t vocab = 0;                              // vocab_size
  int64_t width = 0;                              // n_embd
  int64_t layers = 0;                             // n_layer
  int64_t heads = 0;                              // n_head
  int64_t feed_forward = 0;                       // n_inner; absent: 4 widths
  int64_t positions = 0;                          // n_positions
  Activation activation = Activation::gelu_tanh;  // activation_function
  float epsilon = 1e-5f;                          // layer_norm_epsilon
  bool scale_by_size = true;                      // scale_attn_weights: q.k by 1 / sqrt(D)
  bool scale_by_layer = false;  // scale_attn_by_inverse_layer_idx: and by 1 / (1 + layer)
  bool tied = true;             // tie_word_embeddings: the output's matrix is the embeddings'

  /// Error corrupt_data for a field of the wrong type or range, unsupported for what Heed does not
  /// do (cross-attention, unknown activations).
  static Gpt2Config read(const ConfigReader& file);
};

/// One of GPT-2's L blocks: norms come first, and x itself is never normed.
struct Gpt2Block {
  LayerNorm attention_norm;
  MultiHeadAttention attend;
  LayerNorm feed_forward_norm;
  FeedForward feed_forward;

  Gpt2Block() = default;
  Gpt2Block(const Params& params, const Gpt2Config& config, int64_t layer);
  Tensor operator()(Tensor x, const Mask& mask, const Run& run) const;  // x [B, T, C]
};

/// GPT-2, equal to transformers' GPT2LMHeadModel: the last of the states that a Run's observer sees
/// is after the final norm, as there. Weights may stand under "transformer." (as those with a head
/// have them) or not (as OpenAI's files do).
class Gpt2 : public CausalModel {
 public:
  Gpt2(const Gpt2Config& config, const Params& params);

  const EncoderFacts& facts() const override { return facts_; }
  Tensor operator()(const EncoderInput& input, const Run& run = {}) const override;
  const Tensor& output_weight() const override { return output_weight_; }
  Tensor final_norm(const Tensor& states) const override { return final_norm_(states); }
  Tensor logits(const Tensor& states) const override { return output_(states); }

 private:
  EncoderFacts facts_;
  Embedding words_;
  LearnedPositions positions_;
  std::vector<Gpt2Block> blocks_;
  LayerNorm final_norm_;
  Tensor output_weight_;  // [V, C]
  Linear output_;
};

}  // namespace heed
