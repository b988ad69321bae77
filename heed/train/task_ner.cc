// Named entities: a tag for each word.

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "heed/autograd/tape.h"
#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/base/parallel.h"
#include "heed/models/heads.h"
#include "heed/models/registry.h"
#include "heed/text/tag_spans.h"
#include "heed/train/data_columns.h"
#include "heed/train/row_task.h"

namespace heed {
namespace {

using Sentences = std::vector<TaggedSentence>;

/// Names found, right and wanted.
struct NameCounts {
  double found = 0;
  double right = 0;
  double wanted = 0;

  void add(const std::vector<TagSpan>& guess, const std::vector<TagSpan>& truth) {
    found += static_cast<double>(guess.size());
    wanted += static_cast<double>(truth.size());
    right += static_cast<double>(std::ranges::count_if(
        guess, [&](const TagSpan& span) { return std::ranges::find(truth, span) != truth.end(); }));
  }
  double precision() const { return found > 0 ? right / found : 0; }
  double recall() const { return wanted > 0 ? right / wanted : 0; }
  double f1() const { return found + wanted > 0 ? 2 * right / (found + wanted) : 0; }
};

class NerTask : public RowTask {
 public:
  NerTask(const TrainConfig& settings, BadRows& bad) : RowTask(settings) {
    Sentences train = read_columns(settings.data, bad);
    check_rows(train.size(), bad);
    tags_ = tags_of(train, settings.data);
    use(TaskTokenizer::choose(settings, {.kind = TokenizerKind::wordpiece},
                              [&](TokenizerTrainer& trainer) {
                                for (const TaggedSentence& sentence : train) {
                                  for (const std::string& word : sentence.words) trainer.add(word);
                                }
                              }));
    const Sentences valid = validation_rows(train, [&](const std::string& file) {
      Sentences sentences = read_columns(file, bad);
      check_tags(sentences, bad);
      return sentences;
    });
    begin_from(start_encoder(settings, tokenizer(), HeadTask::tag, tags_.names()));
    tags_ = LabelNames(start().labels);
    set_rows(rows_of(train, settings.data, bad), rows_of(valid, valid_file(), bad));
  }

  void build(const Params& params) override {
    const ConfigReader config = model_config();
    model_ = std::make_unique<EncoderHead>(HeadTask::tag, make_encoder(config, params), config,
                                           params, tags_.size());
  }

  Tensor loss(const TrainBatch& batch, const Run& run) const override {
    return loss_of(*model_, batch, run, settings().label_smoothing);
  }

  std::vector<double> measure(int64_t most_batches, ProcessPart part) const override {
    const NoGrad off;
    double loss = 0, count = 0;
    NameCounts names;
    for (const auto& chosen : valid_batches(most_batches, part)) {
      const TrainBatch batch = gather(valid(), chosen);
      const Tensor logits = model_->logits(batch.input);  // [B, T, N]
      const Judged judged = judge(logits.reshape({-1, tags_.size()}), batch.targets);
      loss += judged.loss_sum;
      count += static_cast<double>(judged.count);
      count_names(judged, batch.targets, names);
    }
    return {loss, count, names.found, names.right, names.wanted};
  }
  Evaluation evaluation(const std::vector<double>& sums) const override {
    const NameCounts names{.found = sums[2], .right = sums[3], .wanted = sums[4]};
    return {
        .loss = sums[0] / sums[1],
        .more = {{"precision", names.precision()}, {"recall", names.recall()}, {"f1", names.f1()}},
        .score = names.f1()};
  }

  std::vector<std::string> judged_by() const override { return {"precision", "recall", "f1"}; }

  const Encoder* encoder() const override { return model_ ? &model_->encoder() : nullptr; }

 private:
  /// Sentences for validation with a tag that training does not have cannot be right.
  void check_tags(Sentences& sentences, BadRows& bad) const {
    std::erase_if(sentences, [&](const TaggedSentence& sentence) {
      const auto unknown = std::ranges::find_if(
          sentence.tags, [&](const std::string& tag) { return !tags_.find(tag); });
      if (unknown == sentence.tags.end()) return false;
      bad.report(settings().validation, sentence.line,
                 fmt::format("the tag {} is none of the training data's", in_quotes(*unknown)));
      return true;
    });
  }

  TokenRows rows_of(const Sentences& sentences, const std::string& where, BadRows& bad) const {
    const int64_t longest = longest_text(settings(), start());
    std::vector<TaggedTokens> tokens(sentences.size());
    parallel_for(static_cast<int64_t>(sentences.size()), [&](int64_t task, int) {
      const auto i = static_cast<size_t>(task);
      tokens[i] = align_tags(sentences[i], tokenizer(), tags_, longest);
    });
    TokenRows rows{.per_token = true};
    bool any = false;
    for (size_t i = 0; i < sentences.size(); ++i) {
      if (tokens[i].ids.empty()) {
        bad.report(where, sentences[i].line, kNoPieces);
        continue;
      }
      any = any || std::ranges::any_of(tokens[i].targets, [](int32_t tag) { return tag >= 0; });
      rows.ids.push_back(std::move(tokens[i].ids));
      rows.targets.push_back(std::move(tokens[i].targets));
    }
    if (rows.ids.empty() || any) return rows;  // no rows are told of by set_rows
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: needed at least 1 word with its tag in rows of at most {} tokens, "
                            "found 0",
                            where, longest));
  }

  /// Each row's words are the places that have a target.
  void count_names(const Judged& judged, const Tensor& targets, NameCounts& names) const {
    const int64_t tokens = targets.size(1);
    for (int64_t b = 0; b < targets.size(0); ++b) {
      std::vector<std::string_view> guess, truth;
      for (int64_t t = 0; t < tokens; ++t) {
        const int32_t target = targets.data<int32_t>()[b * tokens + t];
        if (target < 0) continue;
        truth.emplace_back(tags_.name(target));
        guess.emplace_back(tags_.name(judged.likeliest[static_cast<size_t>(b * tokens + t)]));
      }
      names.add(tag_spans(guess), tag_spans(truth));
    }
  }

  LabelNames tags_;
  std::unique_ptr<const EncoderHead> model_;
};

}  // namespace

std::unique_ptr<TrainTask> make_ner_task(const TrainConfig& settings, BadRows& bad) {
  return std::make_unique<NerTask>(settings, bad);
}

}  // namespace heed
