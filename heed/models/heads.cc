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

Tensor EncoderHead::logits(const EncoderInput& input, const Run& run) const {
  return linear(features(input, run), output_.weight, output_.bias);
}

TextClassifier::TextClassifier(const std::shared_ptr<const Encoder>& encoder, int64_t labels,
                               const Params& params)
    : EncoderHead(encoder, {params / "classifier", encoder->facts().width, labels}) {}

Tensor TextClassifier::features(const EncoderInput& input, const Run& run) const {
  return run.drop(encoder().pooled(encoder()(input, run)));
}

TokenClassifier::TokenClassifier(const std::shared_ptr<const Encoder>& encoder, int64_t labels,
                                 const Params& params)
    : EncoderHead(encoder, {params / "classifier", encoder->facts().width, labels}) {}

Tensor TokenClassifier::features(const EncoderInput& input, const Run& run) const {
  return run.drop(encoder()(input, run));
}

MaskedModel::MaskedModel(const std::shared_ptr<const Encoder>& encoder, Activation activation,
                         float epsilon, const Params& params)
    : EncoderHead(encoder, {params.tensor("bert.embeddings.word_embeddings.weight",
                                          {encoder->facts().vocab, encoder->facts().width}),
                            params.tensor("cls.predictions.bias", {encoder->facts().vocab})}),
      activation_(activation) {
  const Params transform = params / "cls" / "predictions" / "transform";
  const int64_t width = encoder->facts().width;
  transform_ = Linear(transform / "dense", width, width);
  norm_ = LayerNorm(transform / "LayerNorm", width, epsilon);
}

Tensor MaskedModel::features(const EncoderInput& input, const Run& run) const {
  return norm_(transform_(encoder()(input, run), activation_));
}

}  // namespace heed
