#include "heed/tasks/classify.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/base/log.h"
#include "heed/io/hub.h"
#include "heed/models/heads.h"
#include "heed/models/registry.h"

namespace heed {

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

Classifier Classifier::load(std::string_view name_or_path) {
  const std::filesystem::path folder = find_model(name_or_path);
  const ConfigReader config = ConfigReader::open(folder / "config.json");
  Classifier classifier;
  classifier.labels_ = read_labels(config);
  classifier.model_ = load_head(folder, HeadTask::classify);
  classifier.tokenizer_ = Tokenizer::load(folder);
  classifier.each_alone_ = classifier.labels_.size() == 1 ||
                           config.text("problem_type", "") == "multi_label_classification";
  return classifier;
}

std::vector<ClassScore> Classifier::scores_of(std::span<const float> logits) const {
  std::vector<float> shares = softmax_of(logits);
  if (each_alone_) {
    std::ranges::transform(logits, shares.begin(), [](float x) { return 1 / (1 + std::exp(-x)); });
  }
  std::vector<ClassScore> scores;
  for (size_t i = 0; i < shares.size(); ++i) scores.push_back({labels_[i], shares[i]});
  std::ranges::stable_sort(scores, std::ranges::greater{}, &ClassScore::score);
  return scores;
}

std::vector<std::vector<ClassScore>> Classifier::operator()(std::span<const std::string> texts,
                                                            int64_t batch,
                                                            const Progress& progress) const {
  const EncodeOptions options{.max_tokens = model_->encoder().facts().max_tokens};
  std::vector<std::vector<ClassScore>> results;
  const auto count = std::ssize(texts);
  int64_t cut = 0;
  while (std::ssize(results) < count) {
    check_cancelled();
    const auto begin = std::ssize(results);
    std::vector<std::vector<int32_t>> rows;
    for (int64_t i = begin; i < std::min(count, begin + batch); ++i) {
      Encoding encoding = tokenizer_->encode(texts[static_cast<size_t>(i)], options);
      cut += encoding.truncated ? 1 : 0;
      rows.push_back(std::move(encoding.ids));
    }
    const Tensor logits = model_->logits(EncoderInput::from_rows(rows));  // [B, N]
    const auto classes = labels_.size();
    for (size_t i = 0; i < rows.size(); ++i) {
      results.push_back(scores_of(logits.span<float>().subspan(i * classes, classes)));
    }
    if (progress) progress(std::ssize(results), count);
  }
  if (cut > 0) {
    log(LogLevel::warning, fmt::format("classify: {} texts were longer than the {} tokens that the "
                                       "model reads and were cut",
                                       cut, *options.max_tokens));
  }
  return results;
}

}  // namespace heed
