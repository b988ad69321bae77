#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
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

/// An encoder with a task's last product on it.
class EncoderHead {
 public:
  virtual ~EncoderHead() = default;
  EncoderHead(const EncoderHead&) = delete;
  EncoderHead& operator=(const EncoderHead&) = delete;

  /// What output() multiplies: [B, C] for a class a text, else [B, T, C].
  virtual Tensor features(const EncoderInput& input, const Run& run = {}) const = 0;
  const LinearWeights& output() const { return output_; }
  /// [B, N] or [B, T, N].
  Tensor logits(const EncoderInput& input, const Run& run = {}) const;
  const Encoder& encoder() const { return *encoder_; }

 protected:
  EncoderHead(std::shared_ptr<const Encoder> encoder, LinearWeights output)
      : encoder_(std::move(encoder)), output_(std::move(output)) {}

 private:
  std::shared_ptr<const Encoder> encoder_;
  LinearWeights output_;
};

/// BertForSequenceClassification: a class for the whole text, from its first token's pooled state.
class TextClassifier : public EncoderHead {
 public:
  TextClassifier(const std::shared_ptr<const Encoder>& encoder, int64_t labels,
                 const Params& params);
  Tensor features(const EncoderInput& input, const Run& run = {}) const override;
};

/// BertForTokenClassification: a class for each token.
class TokenClassifier : public EncoderHead {
 public:
  TokenClassifier(const std::shared_ptr<const Encoder>& encoder, int64_t labels,
                  const Params& params);
  Tensor features(const EncoderInput& input, const Run& run = {}) const override;
};

/// BertForMaskedLM: the token that stands at each place; its output matrix is the embeddings'.
class MaskedModel : public EncoderHead {
 public:
  /// activation and epsilon: the encoder's, as its config.json has them.
  MaskedModel(const std::shared_ptr<const Encoder>& encoder, Activation activation, float epsilon,
              const Params& params);
  Tensor features(const EncoderInput& input, const Run& run = {}) const override;

 private:
  Activation activation_;
  Linear transform_;
  LayerNorm norm_;
};

}  // namespace heed
