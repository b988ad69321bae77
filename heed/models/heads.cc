#include "heed/models/heads.h"

#include <fmt/format.h>

#include "heed/base/error.h"

namespace heed {

std::vector<std::string> read_labels(const ConfigReader& config) {
  const Json& document = config.json();
  if (!config.has("id2label")) {
    throw Error(ErrorCode::not_found,
                fmt::format("{}: has no id2label, so the model has no classes; heed train classify "
                            "or heed train ner makes one that has",
                            config.where()));
  }
  const Json& names = document["id2label"];
  if (!names.is_object() || names.empty()) config.refuse("id2label", "an object of names");
  std::vector<std::string> labels;
  for (size_t id = 0; id < names.size(); ++id) {
    const auto found = names.find(std::to_string(id));
    if (found == names.end() || !found->is_string()) {
      config.refuse("id2label", fmt::format("a name for each id from 0 to {}", names.size() - 1));
    }
    labels.push_back(found->get<std::string>());
  }
  return labels;
}

TextClassifier::TextClassifier(std::shared_ptr<const Encoder> encoder, int64_t labels,
                               const Params& params)
    : encoder_(std::move(encoder)),
      output_(params / "classifier", encoder_->facts().width, labels) {}

Tensor TextClassifier::features(const EncoderInput& input, const Run& run) const {
  return run.drop(encoder_->pooled((*encoder_)(input, run)));
}

Tensor TextClassifier::logits(const EncoderInput& input, const Run& run) const {
  return linear(features(input, run), output_.weight, output_.bias);
}

TokenClassifier::TokenClassifier(std::shared_ptr<const Encoder> encoder, int64_t labels,
                                 const Params& params)
    : encoder_(std::move(encoder)),
      output_(params / "classifier", encoder_->facts().width, labels) {}

Tensor TokenClassifier::features(const EncoderInput& input, const Run& run) const {
  return run.drop((*encoder_)(input, run));
}

Tensor TokenClassifier::logits(const EncoderInput& input, const Run& run) const {
  return linear(features(input, run), output_.weight, output_.bias);
}

MaskedModel::MaskedModel(std::shared_ptr<const Encoder> encoder, Activation activation,
                         float epsilon, const Params& all)
    : encoder_(std::move(encoder)), activation_(activation) {
  const Params params = all / "cls" / "predictions";
  const EncoderFacts& facts = encoder_->facts();
  transform_ = Linear(params / "transform" / "dense", facts.width, facts.width);
  norm_ = LayerNorm(params / "transform" / "LayerNorm", facts.width, epsilon);
  output_ = {all.tensor("bert.embeddings.word_embeddings.weight", {facts.vocab, facts.width}),
             params.tensor("bias", {facts.vocab})};
}

Tensor MaskedModel::features(const EncoderInput& input, const Run& run) const {
  return norm_(transform_((*encoder_)(input, run), activation_));
}

}  // namespace heed
