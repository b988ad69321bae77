#pragma once

#include <vector>

#include "heed/models/encoder.h"
#include "heed/nn/attention.h"
#include "heed/nn/embedding.h"
#include "heed/nn/feed_forward.h"
#include "heed/nn/layer_norm.h"
#include "heed/nn/positions.h"

namespace heed {

class ConfigReader;

/// The sizes of a BERT (Devlin et al., 2018), by the names of config.json.
struct BertConfig {
  int64_t vocab = 0;                         // vocab_size
  int64_t width = 0;                         // hidden_size
  int64_t layers = 0;                        // num_hidden_layers
  int64_t heads = 0;                         // num_attention_heads
  int64_t feed_forward = 0;                  // intermediate_size
  int64_t positions = 0;                     // max_position_embeddings
  int64_t types = 2;                         // type_vocab_size
  Activation activation = Activation::gelu;  // hidden_act
  float epsilon = 1e-12f;                    // layer_norm_eps

  /// Error corrupt_data for a field of the wrong type or range, unsupported for what Heed does not
  /// do (relative positions, decoders, unknown activations).
  static BertConfig read(const ConfigReader& file);
};

/// One of BERT's L blocks.
struct BertBlock {
  MultiHeadAttention attend;
  LayerNorm attention_norm;
  FeedForward feed_forward;
  LayerNorm feed_forward_norm;

  BertBlock() = default;
  BertBlock(const Params& params, const BertConfig& config);
  Tensor operator()(Tensor x, const Mask& mask, const Run& run) const;  // x [B, T, C]
};

/// BERT without a head. Weights may stand under "bert." (as task models have them) or not (as
/// sentence-transformers does).
class Bert : public Encoder {
 public:
  Bert(const BertConfig& config, const Params& params);

  const EncoderFacts& facts() const override { return facts_; }
  Tensor operator()(const EncoderInput& input, const Run& run = {}) const override;
  bool has_pooler() const override { return has_pooler_; }
  Tensor pooled(const Tensor& last_hidden_state) const override;

 private:
  Tensor embed(const EncoderInput& input, const Run& run) const;    // [B, T, C]
  Tensor blocks(Tensor x, const Mask& mask, const Run& run) const;  // x [B, T, C]

  EncoderFacts facts_;
  Embedding words_;
  LearnedPositions positions_;
  Embedding types_;
  LayerNorm embedding_norm_;
  std::vector<BertBlock> blocks_;
  Linear pooler_;
  bool has_pooler_ = false;
  bool trained_ = false;  // its weights are parameters in training
};

}  // namespace heed
