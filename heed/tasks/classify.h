#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "heed/base/progress.h"
#include "heed/text/tokenizer.h"

namespace heed {

class EncoderHead;

/// A class and how likely it is.
struct ClassScore {
  std::string label;
  float score = 0;
};

/// Which class a text belongs to: tokenizer and a model of transformers'
/// ...ForSequenceClassification kind. Safe to call from many threads.
class Classifier {
 public:
  /// A name in the hub's cache or a folder. Errors not_found (a model without classes among them),
  /// corrupt_data, unsupported.
  static Classifier load(std::string_view name_or_path);

  /// Every class of each text, the likeliest first. Scores are softmax's, or for a model of several
  /// labels at once (problem_type multi_label_classification) or of one label each its own
  /// probability. A text longer than the model reads is cut, which the log is told. Error cancelled
  /// between batches.
  std::vector<std::vector<ClassScore>> operator()(std::span<const std::string> texts,
                                                  int64_t batch = 32,
                                                  const Progress& progress = {}) const;

  const std::vector<std::string>& labels() const { return labels_; }

 private:
  std::vector<ClassScore> scores_of(std::span<const float> logits) const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<const EncoderHead> model_;
  std::vector<std::string> labels_;
  bool each_alone_ = false;
};

/// e^x / sum e^x.
std::vector<float> softmax_of(std::span<const float> logits);

}  // namespace heed
