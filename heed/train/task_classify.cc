// Classification of texts.

#include <fmt/format.h>

#include "heed/autograd/tape.h"
#include "heed/base/message.h"
#include "heed/models/heads.h"
#include "heed/models/registry.h"
#include "heed/train/data_rows.h"
#include "heed/train/row_task.h"

namespace heed {
namespace {

using Texts = std::vector<LabeledText>;

LabeledFields fields_of(const TrainConfig& settings) {
  return {.text = settings.text_column,
          .label = settings.has("label_column") ? settings.label_column : "",
          .pair = settings.pair_column};
}

class ClassifyTask : public RowTask {
 public:
  ClassifyTask(const TrainConfig& settings, BadRows& bad) : RowTask(settings) {
    Texts train = read_labeled_texts(settings.data, fields_of(settings), bad);
    check_rows(train.size(), bad);
    labels_ = LabelNames::of(train, settings.data);
    use(TaskTokenizer::choose(settings, {.kind = TokenizerKind::wordpiece, .lowercase = true},
                              [&](TokenizerTrainer& trainer) {
                                for (const LabeledText& row : train) {
                                  trainer.add(row.text);
                                  if (!row.pair.empty()) trainer.add(row.pair);
                                }
                              }));
    const Texts valid = validation_rows(train, [&](const std::string& file) {
      Texts rows = read_labeled_texts(file, fields_of(settings), bad);
      check_labels(rows, bad);
      return rows;
    });
    begin_from(start_encoder(settings, tokenizer(), HeadTask::classify, labels_.names()));
    labels_ = LabelNames(start().labels);
    set_rows(rows_of(train, settings.data, bad), rows_of(valid, valid_file(), bad));
  }

  void build(const Params& params) override {
    const HeadNames& head = start().head;
    if (!head.pooler.empty()) {
      // an encoder has a pooler if there are weights for it: they start anew where none came along
      const int64_t width = start().config.at("hidden_size").get<int64_t>();
      const Params pooler = params / head.base / head.pooler;
      pooler.tensor("weight", {width, width});
      pooler.tensor("bias", {width});
    }
    const ConfigReader config = model_config();
    model_ = std::make_unique<EncoderHead>(HeadTask::classify, make_encoder(config, params), config,
                                           params, labels_.size());
  }

  Tensor loss(const TrainBatch& batch, const Run& run) const override {
    return loss_of(*model_, batch, run, settings().label_smoothing);
  }

  std::vector<double> measure(int64_t most_batches, ProcessPart part) const override {
    const NoGrad off;
    double loss = 0, right = 0, count = 0;
    for (const auto& chosen : valid_batches(most_batches, part)) {
      const TrainBatch batch = gather(valid(), chosen);
      const Judged judged = judge(model_->logits(batch.input), batch.targets);
      const auto targets = batch.targets.span<int32_t>();
      for (size_t i = 0; i < targets.size(); ++i)
        right += judged.likeliest[i] == targets[i] ? 1 : 0;
      loss += judged.loss_sum;
      count += static_cast<double>(judged.count);
    }
    return {loss, count, right};
  }
  Evaluation evaluation(const std::vector<double>& sums) const override {
    const double accuracy = sums[2] / sums[1];
    return {.loss = sums[0] / sums[1], .more = {{"accuracy", accuracy}}, .score = accuracy};
  }

  std::vector<std::string> judged_by() const override { return {"accuracy"}; }

  const Encoder* encoder() const override { return model_ ? &model_->encoder() : nullptr; }

 private:
  /// Rows for validation whose label training does not have cannot be right.
  void check_labels(Texts& rows, BadRows& bad) const {
    std::erase_if(rows, [&](const LabeledText& row) {
      if (labels_.find(row.label)) return false;
      bad.report(settings().validation, row.line,
                 fmt::format("the label {} is none of the training data's", in_quotes(row.label)));
      return true;
    });
  }

  TokenRows rows_of(const Texts& texts, const std::string& where, BadRows& bad) const {
    const int64_t most = longest_text(settings(), start());
    const bool typed =
        !settings().pair_column.empty() && start().config.value("type_vocab_size", int64_t{2}) > 1;
    std::vector<Encoding> encodings = encode(std::ssize(texts), [&](size_t i) {
      const LabeledText& text = texts[i];
      return text.pair.empty()
                 ? tokenizer().encode(text.text, {.max_tokens = most})
                 : tokenizer().encode_pair(text.text, text.pair, {.max_tokens = most});
    });
    TokenRows rows;
    for (size_t i = 0; i < texts.size(); ++i) {
      if (encodings[i].ids.empty()) {
        bad.report(where, texts[i].line, kNoPieces);
        continue;
      }
      rows.targets.push_back({*labels_.find(texts[i].label)});
      rows.ids.push_back(std::move(encodings[i].ids));
      if (typed) rows.types.push_back(std::move(encodings[i].type_ids));
    }
    return rows;
  }

  LabelNames labels_;
  std::unique_ptr<const EncoderHead> model_;
};

}  // namespace

std::unique_ptr<TrainTask> make_classify_task(const TrainConfig& settings, BadRows& bad) {
  return std::make_unique<ClassifyTask>(settings, bad);
}

}  // namespace heed
