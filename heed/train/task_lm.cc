// Language modelling: which token comes next.

#include <algorithm>
#include <cmath>

#include "heed/autograd/tape.h"
#include "heed/base/error.h"
#include "heed/models/registry.h"
#include "heed/ops/cross_entropy.h"
#include "heed/train/data_text.h"
#include "heed/train/task_base.h"

namespace heed {
namespace {

TaskTokenizer tokenizer_for(const TrainConfig& settings) {
  TokenizerTraining usual{.kind = TokenizerKind::bpe};
  const TokenizerKind kind = tokenizer_kind(settings.tokenizer).value_or(usual.kind);
  if (kind == TokenizerKind::wordpiece || kind == TokenizerKind::unigram) {
    usual.special.emplace();  // a template's [SEP] or </s> would end each prompt
  }
  return TaskTokenizer::choose(
      settings, usual, [&](TokenizerTrainer& trainer) { add_lines(settings.data, trainer); });
}

TrainBatch as_batch(TextBatch windows) {
  TrainBatch batch;
  batch.input.ids = std::move(windows.ids);
  batch.targets = std::move(windows.targets);
  batch.count = batch.tokens = windows.tokens;
  return batch;
}

class TextTask : public TaskBase {
 public:
  explicit TextTask(const TrainConfig& settings) : TaskBase(settings) {
    use(tokenizer_for(settings));
    begin_from(start_causal(settings, tokenizer()));
    const Json& config = start().config;
    block_ =
        longest_row(settings, config,
                    config.contains("n_positions") ? "n_positions" : "max_position_embeddings");
    read_data();
  }

  void build(const Params& params) override { model_ = make_causal_model(model_config(), params); }

  TrainBatch next(DataPosition& at) override {
    return as_batch(random_windows(train_, settings().batch, block_, settings().seed, at.batch++));
  }
  int64_t batches_per_epoch() override {
    const int64_t rows = windows_in_order(train_, block_);
    return (rows + settings().batch - 1) / settings().batch;
  }
  Tensor loss(const TrainBatch& batch, const Run& run) const override {
    return cross_entropy(model_->hidden(batch.input.ids, run), model_->output_weight(), {},
                         batch.targets,
                         {.label_smoothing = static_cast<float>(settings().label_smoothing)});
  }

  bool can_evaluate() const override { return windows_in_order(valid_, block_) > 0; }
  std::vector<double> measure(int64_t most_batches, ProcessPart part) const override {
    const NoGrad off;
    const int64_t rows = windows_in_order(valid_, block_);
    double sum = 0;
    double count = 0;
    for (int64_t first = 0, done = 0; first < rows && (most_batches == 0 || done < most_batches);
         first += settings().batch, ++done) {
      if (done % part.size != part.rank) continue;
      const TrainBatch batch = as_batch(windows_in_order(valid_, first, settings().batch, block_));
      const Tensor mean = cross_entropy(model_->hidden(batch.input.ids), model_->output_weight(),
                                        {}, batch.targets, {});
      sum += static_cast<double>(*mean.data<float>()) * static_cast<double>(batch.count);
      count += static_cast<double>(batch.count);
    }
    return {sum, count};
  }
  Evaluation evaluation(const std::vector<double>& sums) const override {
    const double loss = sums[0] / sums[1];
    return {.loss = loss, .more = {{"perplexity", std::exp(loss)}}, .score = -loss};
  }

  std::string sample_text(int64_t most_tokens) const override {
    std::vector<int32_t> ids(static_cast<size_t>(std::min(most_tokens, train_.size())));
    train_.copy(0, static_cast<int64_t>(ids.size()), ids.data());
    return tokenizer().decode(ids);
  }
  std::vector<std::string> judged_by() const override { return {"perplexity"}; }

  const Encoder* encoder() const override { return model_.get(); }

 private:
  void read_data() {
    const int64_t vocab = start().config.value("vocab_size", int64_t{0});
    train_ = TokenStream::read(settings().data, &tokenizer(), vocab);
    if (!settings().validation.empty()) {
      valid_ = TokenStream::read(settings().validation, &tokenizer(), vocab);
    } else if (settings().validation_part > 0) {
      TextSplit split = split_text(train_, 1 - settings().validation_part, settings().data);
      train_ = std::move(split.train);
      valid_ = std::move(split.valid);
    }
    const bool own = !settings().validation.empty();
    const bool whole = own || valid_.size() == 0;
    check_windows(train_, block_, settings().data + (whole ? "" : ": the part for training"));
    if (valid_.size() == 1) {
      throw Error(ErrorCode::invalid_argument,
                  (own ? settings().validation : settings().data + ": the part for validation") +
                      ": needed at least 2 tokens to measure on, found 1");
    }
  }

  int64_t block_ = 0;
  TokenStream train_;
  TokenStream valid_;
  std::shared_ptr<const CausalModel> model_;
};

}  // namespace

std::unique_ptr<TrainTask> make_text_task(const TrainConfig& settings) {
  return std::make_unique<TextTask>(settings);
}

}  // namespace heed
