#pragma once

#include <optional>
#include <vector>

#include "heed/models/encoder_decoder.h"
#include "heed/nn/decoder_layer.h"
#include "heed/nn/embedding.h"
#include "heed/nn/encoder_layer.h"
#include "heed/nn/positions.h"

namespace heed {

class ConfigReader;

/// The sizes and choices of a Transformer as in "Attention Is All You Need" (Vaswani et al., 2017).
/// config.json names them as nn.Transformer's arguments, with model_type "transformer2017".
struct TransformerConfig {
  int64_t source_vocab = 0;    // vocab_size
  int64_t target_vocab = 0;    // target_vocab_size; absent: vocab_size
  int64_t width = 0;           // d_model
  int64_t heads = 0;           // nhead
  int64_t encoder_layers = 0;  // num_encoder_layers
  int64_t decoder_layers = 0;  // num_decoder_layers
  int64_t feed_forward = 0;    // dim_feedforward
  int64_t positions = 0;       // max_position_embeddings: the longest text; default 1024
  Activation activation = Activation::relu;  // activation
  float epsilon = 1e-5f;                     // layer_norm_eps
  bool norm_first = false;                   // norm_first
  bool final_norm = false;  // final_norm: a norm after either stack, as nn.Transformer has and the
                            // paper does not; absent: as norm_first
  bool bias = true;         // bias
  bool shared = true;       // share_embeddings: one table for source and target
  bool tied = true;         // tie_word_embeddings: and for the output

  /// Error corrupt_data for a field of the wrong type or range, unsupported for unknown
  /// activations.
  static TransformerConfig read(const ConfigReader& file);
};

/// The 2017 Transformer. Weights: "embeddings" (or "source_embeddings" and "target_embeddings"),
/// "output" where it is not tied, and under "transformer" what nn.Transformer's state_dict names.
/// The last of the states that a Run's observer sees is after the final norm.
class Transformer : public EncoderDecoder {
 public:
  Transformer(const TransformerConfig& config, const Params& params);

  const EncoderDecoderFacts& facts() const override { return facts_; }
  Memory encode(const EncoderInput& source, const Run& run = {}) const override;
  Tensor decode(const Tensor& ids, const Memory& memory, const Run& run = {}) const override;
  const Tensor& output_weight() const override { return output_weight_; }
  Tensor final_norm(const Tensor& states) const override {
    return decoder_norm_ ? (*decoder_norm_)(states) : states;
  }
  Tensor logits(const Tensor& states) const override { return output_(states); }

 private:
  Tensor embed(const Embedding& words, const Tensor& ids, const Run& run) const;

  EncoderDecoderFacts facts_;
  Embedding source_words_;
  Embedding target_words_;
  Positions positions_;
  std::vector<EncoderLayer> encoder_;
  std::vector<DecoderLayer> decoder_;
  std::optional<LayerNorm> encoder_norm_;
  std::optional<LayerNorm> decoder_norm_;
  Tensor output_weight_;  // [V, C]
  Linear output_;
  bool trained_ = false;  // its weights are parameters in training
};

}  // namespace heed
