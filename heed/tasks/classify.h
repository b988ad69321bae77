#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "heed/base/progress.h"
#include "heed/tasks/notes.h"
#include "heed/text/tokenizer.h"

namespace heed {

class EncoderHead;

/// A class and how likely it is.
struct ClassScore {
  std::string label;
  float score = 0;
};

/// What makes scores of logits, by transformers' names (function_to_apply).
enum class ScoreFunction { softmax, sigmoid, none };
/// Error invalid_argument lists the names.
ScoreFunction score_function_from_name(std::string_view name);

struct ClassifyOptions {
  /// Absent: the model's own, as problem_type says: softmax for one class of several, sigmoid for
  /// several classes at once and for a single one, none for a regression.
  std::optional<ScoreFunction> function = {};
  int64_t batch = 32;  // texts computed at once
  Progress progress = {};
  RunNotes* notes = nullptr;  // of several calls; without it each tells the log by itself
};

/// Which class a text belongs to: tokenizer and a model of transformers'
/// ...ForSequenceClassification kind, as TextClassificationPipeline has it. Safe to call from many
/// threads.
class Classifier {
 public:
  /// A name in the hub's cache or a folder. Errors not_found (a model without classes among them),
  /// corrupt_data, unsupported.
  static Classifier load(std::string_view name_or_path);

  /// Every class of each text, the likeliest first. The same text gives the same bits whatever
  /// stands beside it. A text longer than the model reads is cut, which the log is told. Error
  /// cancelled between batches.
  std::vector<std::vector<ClassScore>> operator()(std::span<const std::string> texts,
                                                  const ClassifyOptions& options = {}) const;

  /// The same of pairs, as "text" and "text_pair" of the pipeline are: whether a question is
  /// another's, what a sentence says of another. Error invalid_argument for numbers of texts that
  /// differ.
  std::vector<std::vector<ClassScore>> pairs(std::span<const std::string> texts,
                                             std::span<const std::string> seconds,
                                             const ClassifyOptions& options = {}) const;

  const std::vector<std::string>& labels() const { return labels_; }

 private:
  std::vector<std::vector<ClassScore>> classes_of(std::span<const Encoding> encodings,
                                                  const ClassifyOptions& options) const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<const EncoderHead> model_;
  std::vector<std::string> labels_;
  ScoreFunction function_ = ScoreFunction::softmax;
};

/// e^x / sum e^x.
std::vector<float> softmax_of(std::span<const float> logits);

}  // namespace heed
