#include "heed/tasks/classify.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>

#include "heed/base/error.h"
#include "heed/io/hub.h"
#include "heed/models/heads.h"
#include "heed/tasks/batches.h"

namespace heed {
namespace {

constexpr std::array<std::string_view, 3> kFunctions = {"softmax", "sigmoid", "none"};

ScoreFunction function_of(const ConfigReader& config, size_t labels) {
  const std::string problem = config.text("problem_type", "");
  if (problem == "regression") return ScoreFunction::none;
  const bool each_alone = problem == "multi_label_classification" || labels == 1;
  return each_alone ? ScoreFunction::sigmoid : ScoreFunction::softmax;
}

std::vector<float> scores_of(std::span<const float> logits, ScoreFunction function) {
  if (function == ScoreFunction::softmax) return softmax_of(logits);
  std::vector<float> scores(logits.begin(), logits.end());
  if (function == ScoreFunction::sigmoid) {
    for (float& x : scores) x = 1 / (1 + std::exp(-x));
  }
  return scores;
}

}  // namespace

std::vector<float> softmax_of(std::span<const float> logits) {
  const double highest = *std::ranges::max_element(logits);
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - highest);
  std::vector<float> shares;
  for (const float logit : logits) {
    shares.push_back(static_cast<float>(std::exp(logit - highest) / sum));
  }
  return shares;
}

ScoreFunction score_function_from_name(std::string_view name) {
  const auto found = std::ranges::find(kFunctions, name);
  if (found == kFunctions.end()) {
    throw Error(ErrorCode::invalid_argument, fmt::format("classify: the function must be one of {} "
                                                         "but is {}",
                                                         fmt::join(kFunctions, ", "), name));
  }
  return static_cast<ScoreFunction>(found - kFunctions.begin());
}

Classifier Classifier::load(std::string_view name_or_path) {
  const std::filesystem::path folder = find_model(name_or_path);
  Classifier classifier;
  classifier.model_ = load_head(folder, HeadTask::classify);
  const ConfigReader config = ConfigReader::open(folder / "config.json");
  classifier.labels_ = read_labels(config);
  classifier.function_ = function_of(config, classifier.labels_.size());
  classifier.tokenizer_ = Tokenizer::load(folder);
  return classifier;
}

std::vector<std::vector<ClassScore>> Classifier::operator()(std::span<const std::string> texts,
                                                            const ClassifyOptions& options) const {
  const int64_t most = model_->encoder().facts().max_tokens;
  return classes_of(encode_texts(*tokenizer_, texts, most, "classify", options.notes), options);
}

std::vector<std::vector<ClassScore>> Classifier::pairs(std::span<const std::string> texts,
                                                       std::span<const std::string> seconds,
                                                       const ClassifyOptions& options) const {
  const int64_t most = model_->encoder().facts().max_tokens;
  return classes_of(encode_pairs(*tokenizer_, texts, seconds, most, "classify", options.notes),
                    options);
}

std::vector<std::vector<ClassScore>> Classifier::classes_of(std::span<const Encoding> encodings,
                                                            const ClassifyOptions& options) const {
  const EncoderFacts& facts = model_->encoder().facts();
  std::vector<std::vector<ClassScore>> results(encodings.size());
  const ScoreFunction function = options.function.value_or(function_);
  int64_t done = 0;
  in_batches(lengths_of(encodings), options.batch, [&](std::span<const size_t> rows) {
    const Tensor logits = model_->logits(input_of(encodings, rows, facts));  // [B, N]
    const size_t classes = labels_.size();
    for (size_t b = 0; b < rows.size(); ++b) {
      const auto scores = scores_of(logits.span<float>().subspan(b * classes, classes), function);
      std::vector<ClassScore>& result = results[rows[b]];
      for (size_t i = 0; i < classes; ++i) result.push_back({labels_[i], scores[i]});
      std::ranges::stable_sort(result, std::ranges::greater{}, &ClassScore::score);
    }
    done += std::ssize(rows);
    if (options.progress) options.progress(done, std::ssize(encodings));
  });
  return results;
}

}  // namespace heed
