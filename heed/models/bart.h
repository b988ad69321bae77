#pragma once

#include <optional>
#include <string>
#include <vector>

#include "heed/models/encoder_decoder.h"
#include "heed/nn/decoder_layer.h"
#include "heed/nn/embedding.h"
#include "heed/nn/encoder_layer.h"
#include "heed/nn/positions.h"

namespace heed {

class ConfigReader;

/// The sizes of a BART and of the models like it, by the names of config.json, and what they differ
/// in. Their own files say which of it each has: mbart.h, marian.h, pegasus.h.
struct BartConfig {
  std::string architecture = "bart";
  int64_t source_vocab = 0;                  // vocab_size
  int64_t target_vocab = 0;                  // decoder_vocab_size; absent: vocab_size
  int64_t width = 0;                         // d_model
  int64_t encoder_layers = 0;                // encoder_layers
  int64_t decoder_layers = 0;                // decoder_layers
  int64_t encoder_heads = 0;                 // encoder_attention_heads
  int64_t decoder_heads = 0;                 // decoder_attention_heads
  int64_t encoder_feed_forward = 0;          // encoder_ffn_dim
  int64_t decoder_feed_forward = 0;          // decoder_ffn_dim
  int64_t positions = 0;                     // max_position_embeddings: the longest text
  Activation activation = Activation::gelu;  // activation_function
  bool scaled = false;                       // scale_embedding: words times sqrt(C)
  bool shared = true;                        // one table for source and target
  bool tied = true;            // tie_word_embeddings: the output's matrix is the target's table
  bool norm_first = false;     // x + f(norm(x)) instead of norm(x + f(x))
  bool embedding_norm = true;  // of words and positions together (layernorm_embedding)
  bool final_norm = false;     // after either stack (layer_norm)
  bool sinusoids = false;      // positions are stored or computed, sines first, not trained
  int32_t padding = -1;        // pad_token_id: in training its row learns as an output alone

  /// Error corrupt_data for a field of the wrong type or range, unsupported for unknown
  /// activations.
  static BartConfig read(const ConfigReader& file);
};

/// BART (Lewis et al., 2020), equal to transformers' BartForConditionalGeneration: the 2017
/// Transformer with trained positions, whose table begins with two rows that no position has, a
/// norm after the embeddings and a bias on the logits (final_logits_bias). Weights may stand under
/// "model." or not.
class Bart : public EncoderDecoder {
 public:
  Bart(const BartConfig& config, const Params& params);

  const EncoderDecoderFacts& facts() const override { return facts_; }
  Memory encode(const EncoderInput& source, const Run& run = {}) const override;
  Tensor decode(const Tensor& ids, const Memory& memory, const Run& run = {}) const override;
  const Tensor& output_weight() const override { return output_weight_; }
  Tensor output_bias() const override { return output_bias_; }
  Tensor final_norm(const Tensor& states) const override {
    return decoder_norm_ ? (*decoder_norm_)(states) : states;
  }
  Tensor logits(const Tensor& states) const override { return output_(states); }

 private:
  /// What stands before a stack of blocks.
  struct Embeddings {
    Embedding words;
    Positions positions;
    std::optional<LayerNorm> norm;
  };
  static Embeddings embeddings_of(const Params& stack, const Params& words, int64_t vocab,
                                  const BartConfig& config);
  Tensor embed(const Embeddings& embeddings, const Tensor& ids, const Run& run) const;

  EncoderDecoderFacts facts_;
  float word_scale_;
  Embeddings source_;
  Embeddings target_;
  std::vector<EncoderLayer> encoder_;
  std::vector<DecoderLayer> decoder_;
  std::optional<LayerNorm> encoder_norm_;
  std::optional<LayerNorm> decoder_norm_;
  Tensor output_weight_;  // [V, C]
  Tensor output_bias_;    // [V]; may be absent
  Linear output_;
  bool trained_ = false;  // its weights are parameters in training
};

}  // namespace heed
