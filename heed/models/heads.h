#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "heed/models/config.h"
#include "heed/models/encoder.h"
#include "heed/nn/layer_norm.h"
#include "heed/nn/linear.h"

namespace heed {

// What stands on an encoder for a task; weights named as transformers' BertFor... classes have
// them. output() is the last product, which a loss may take as it is, or a call compute.

/// The classes of a config.json, by id: id2label. Error corrupt_data for ids that are not 0 to N -
/// 1; not_found (with the next step) for a model without them. Internal: not installed.
std::vector<std::string> read_labels(const ConfigReader& config);

/// BertForSequenceClassification: a class for the whole text, from its first token's pooled state.
class TextClassifier {
 public:
  TextClassifier(std::shared_ptr<const Encoder> encoder, int64_t labels, const Params& params);

  /// What output() multiplies: [B, C].
  Tensor features(const EncoderInput& input, const Run& run = {}) const;
  const LinearWeights& output() const { return output_; }
  /// [B, N].
  Tensor logits(const EncoderInput& input, const Run& run = {}) const;
  const Encoder& encoder() const { return *encoder_; }

 private:
  std::shared_ptr<const Encoder> encoder_;
  LinearWeights output_;
};

/// BertForTokenClassification: a class for each token.
class TokenClassifier {
 public:
  TokenClassifier(std::shared_ptr<const Encoder> encoder, int64_t labels, const Params& params);

  /// What output() multiplies: [B, T, C].
  Tensor features(const EncoderInput& input, const Run& run = {}) const;
  const LinearWeights& output() const { return output_; }
  /// [B, T, N].
  Tensor logits(const EncoderInput& input, const Run& run = {}) const;
  const Encoder& encoder() const { return *encoder_; }

 private:
  std::shared_ptr<const Encoder> encoder_;
  LinearWeights output_;
};

/// BertForMaskedLM: the token that stands at each place; its output matrix is the embeddings'.
class MaskedModel {
 public:
  /// activation and epsilon: the encoder's, as its config.json has them.
  MaskedModel(std::shared_ptr<const Encoder> encoder, Activation activation, float epsilon,
              const Params& params);

  /// What output() multiplies: [B, T, C].
  Tensor features(const EncoderInput& input, const Run& run = {}) const;
  const LinearWeights& output() const { return output_; }
  const Encoder& encoder() const { return *encoder_; }

 private:
  std::shared_ptr<const Encoder> encoder_;
  Activation activation_;
  Linear transform_;
  LayerNorm norm_;
  LinearWeights output_;
};

}  // namespace heed
