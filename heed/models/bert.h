#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "heed/models/encoder.h"
#include "heed/nn/attention.h"
#include "heed/nn/embedding.h"
#include "heed/nn/feed_forward.h"
#include "heed/nn/layer_norm.h"
#include "heed/nn/positions.h"

namespace heed {

class ConfigReader;

/// Where BERT's weights stand; the models like it have other names for them.
struct BertNames {
  std::string base = "bert";  // before all names of a checkpoint that has a task's head
  std::string projection;     // of the embeddings to the blocks' width, where they are narrower
  std::string pooler = "pooler.dense";
  // in a block
  std::string query = "attention.self.query";
  std::string key = "attention.self.key";
  std::string value = "attention.self.value";
  std::string output = "attention.output.dense";
  std::string attention_norm = "attention.output.LayerNorm";
  std::string widen = "intermediate.dense";
  std::string narrow = "output.dense";
  std::string feed_forward_norm = "output.LayerNorm";
};

/// The sizes of a BERT (Devlin et al., 2018), by the names of config.json, and what the models like
/// it differ in. Their own files say which of it each has: roberta.h, distilbert.h, electra.h,
/// albert.h.
struct BertConfig {
  int64_t vocab = 0;                         // vocab_size
  int64_t width = 0;                         // hidden_size
  int64_t embedding_width = 0;               // embedding_size; width in BERT itself
  int64_t heads = 0;                         // num_attention_heads
  int64_t feed_forward = 0;                  // intermediate_size
  int64_t positions = 0;                     // max_position_embeddings
  int64_t types = 2;                         // type_vocab_size; 0: no vector for them
  Activation activation = Activation::gelu;  // hidden_act
  float epsilon = 1e-12f;                    // layer_norm_eps
  int32_t padding = -1;        // pad_token_id: in training its row learns as an output alone
  bool after_padding = false;  // positions count from pad_token_id (RoBERTa)
  /// [L] where the weights of each block stand; blocks of one path share them (ALBERT).
  std::vector<std::string> blocks;
  BertNames names = {};
  // In training, whether blocks drop some of what the part adds to the residual.
  bool drops_attention = true;
  bool drops_feed_forward = true;

  /// Error corrupt_data for a field of the wrong type or range, unsupported for what Heed does not
  /// do (relative positions, decoders, unknown activations).
  static BertConfig read(const ConfigReader& file);
  /// The position vector of a row's first token: 0, or the one after the padding's.
  int64_t first_position() const { return after_padding ? padding + 1 : 0; }
  /// "layer.0" to "layer.L-1".
  static std::vector<std::string> numbered(std::string_view layer, int64_t layers);
};

/// One of BERT's L blocks.
struct BertBlock {
  MultiHeadAttention attend;
  LayerNorm attention_norm;
  FeedForward feed_forward;
  LayerNorm feed_forward_norm;
  bool drops_attention = true;
  bool drops_feed_forward = true;

  BertBlock() = default;
  BertBlock(const Params& params, const BertConfig& config);
  Tensor operator()(Tensor x, const Mask& mask, const Run& run) const;  // x [B, T, C]
};

/// BERT without a head, and with another config the models like it: post-norm blocks over a sum of
/// embeddings. Weights may stand under "bert." (as task models have them) or not (as
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
  Tensor positions_of(const EncoderInput& input) const;             // [T, E] or [B, T, E]
  Tensor blocks(Tensor x, const Mask& mask, const Run& run) const;  // x [B, T, C]

  EncoderFacts facts_;
  Embedding words_;
  LearnedPositions positions_;
  Embedding types_;
  LayerNorm embedding_norm_;
  Linear projection_;
  bool projects_ = false;
  int32_t padding_ = -1;           // the id of tokens that no position counts; -1: all count
  std::vector<BertBlock> blocks_;  // those that differ
  std::vector<size_t> order_;      // [L] which of them comes when
  Linear pooler_;
  bool has_pooler_ = false;
  bool trained_ = false;  // its weights are parameters in training
};

}  // namespace heed
