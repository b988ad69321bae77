#pragma once

#include <string>
#include <vector>

#include "heed/models/causal.h"
#include "heed/nn/embedding.h"
#include "heed/nn/gated_decoder_layer.h"
#include "heed/nn/rotary_positions.h"

namespace heed {

/// What Llama and the models like it differ in, by the names of config.json. Their own files say
/// which of it each has: llama.h, qwen2.h, qwen3.h, mistral.h, phi3.h.
struct DecoderConfig {
  std::string architecture;                  // "llama"
  int64_t vocab = 0;                         // vocab_size
  int64_t width = 0;                         // hidden_size
  int64_t layers = 0;                        // num_hidden_layers
  int64_t heads = 0;                         // num_attention_heads
  int64_t kv_heads = 0;                      // num_key_value_heads; absent: heads
  int64_t head_dim = 0;                      // head_dim; absent: width / heads
  int64_t feed_forward = 0;                  // intermediate_size
  int64_t positions = 0;                     // max_position_embeddings: the longest text
  Activation activation = Activation::silu;  // hidden_act
  float epsilon = 1e-6f;                     // rms_norm_eps
  int32_t padding = -1;            // pad_token_id: in training its row learns as an output alone
  bool tied = false;               // tie_word_embeddings: the output's matrix is the embeddings'
  bool query_bias = false;         // of queries, keys and values
  bool output_bias = false;        // of attention's output
  bool feed_forward_bias = false;  // mlp_bias
  bool head_norms = false;         // each head's query and key is normed (q_norm, k_norm)
  bool fused = false;              // one matrix for q, k and v, one for gate and up
  int64_t window = 0;              // sliding_window: keys that a token sees, itself included
  std::vector<bool> windowed;      // [L] layers whose tokens see no more than that; empty: none
  int64_t rotary_dim = 0;          // the part of a head that turns
  double rotary_base = 10000;      // rope_theta
  RotaryScaling scaling = {};      // rope_parameters, rope_scaling
  RotaryPairs pairs = RotaryPairs::halves;  // rope_interleaved, which is Heed's own field
};

/// A causal language model of L gated blocks with rotary positions: Llama's formula, of which the
/// others change what DecoderConfig says. Equal to transformers' ...ForCausalLM; the last of the
/// states that a Run's observer sees is after the final norm, as there. Weights may stand under
/// "model." (as those with a head have them) or not.
class Decoder : public CausalModel {
 public:
  Decoder(const DecoderConfig& config, const Params& params);

  const EncoderFacts& facts() const override { return facts_; }
  Tensor operator()(const EncoderInput& input, const Run& run = {}) const override;
  const Tensor& output_weight() const override { return output_weight_; }
  int64_t memory_tokens() const override;
  Tensor final_norm(const Tensor& states) const override { return final_norm_(states); }
  Tensor logits(const Tensor& states) const override { return output_(states); }

 private:
  void check_length(const std::vector<int64_t>& first, int64_t tokens) const;

  EncoderFacts facts_;
  Embedding words_;
  RotaryPositions angles_;
  int64_t window_ = 0;
  std::vector<bool> windowed_;  // [L]
  std::vector<GatedDecoderLayer> layers_;
  RmsNorm final_norm_;
  Tensor output_weight_;  // [V, C]
  Linear output_;
};

}  // namespace heed
