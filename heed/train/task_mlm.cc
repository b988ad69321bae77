// Masked language modelling: which token stood there (Devlin et al., 2018).

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "heed/autograd/tape.h"
#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/models/config.h"
#include "heed/models/heads.h"
#include "heed/models/registry.h"
#include "heed/train/data_masking.h"
#include "heed/train/data_text.h"
#include "heed/train/row_task.h"

namespace heed {
namespace {

constexpr int64_t kValidationEpoch = -1;  // its masks are the same each time

/// What the template puts before and after a text.
struct Frame {
  std::vector<int32_t> before;
  std::vector<int32_t> after;
};

Frame frame_of(const Tokenizer& tokenizer) {
  const Encoding encoding = tokenizer.encode("a");
  Frame frame;
  bool behind = false;
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    if (!encoding.special[i]) {
      behind = true;
    } else {
      (behind ? frame.after : frame.before).push_back(encoding.ids[i]);
    }
  }
  return frame;
}

int32_t mask_id_of(const Tokenizer& tokenizer) {
  if (const auto id = mask_id(tokenizer)) return *id;
  throw Error(ErrorCode::invalid_argument, "train mlm: the tokenizer has no [MASK] or <mask>");
}

class MaskedTask : public RowTask {
 public:
  explicit MaskedTask(const TrainConfig& settings) : RowTask(settings) {
    use(TaskTokenizer::choose(
        settings, {.kind = TokenizerKind::wordpiece, .lowercase = true},
        [&](TokenizerTrainer& trainer) { add_lines(settings.data, trainer); }));
    frame_ = frame_of(tokenizer());
    begin_from(start_encoder(settings, tokenizer(), HeadTask::fill, {}));
    const int64_t vocab = start().config.value("vocab_size", int64_t{0});
    masking_ = {.part = settings.mask_part,
                .mask_id = mask_id_of(tokenizer()),
                .vocab = std::min(vocab, tokenizer().vocab_size())};
    TokenStream train = TokenStream::read(settings.data, &tokenizer(), vocab);
    TokenStream valid;
    if (!settings.validation.empty()) {
      valid = TokenStream::read(settings.validation, &tokenizer(), vocab);
    } else if (settings.validation_part > 0) {
      TextSplit split = split_text(train, 1 - settings.validation_part, settings.data);
      train = std::move(split.train);
      valid = std::move(split.valid);
    }
    set_rows(rows_of(train), rows_of(valid));
    if (can_evaluate()) check_validation();
  }

  void build(const Params& params) override {
    const ConfigReader config = model_config();
    model_ =
        std::make_unique<EncoderHead>(HeadTask::fill, make_encoder(config, params), config, params);
  }

  Tensor loss(const TrainBatch& batch, const Run& run) const override {
    return loss_of(*model_, batch, run, settings().label_smoothing);
  }

  std::vector<double> measure(int64_t most_batches, ProcessPart part) const override {
    const NoGrad off;
    double sum = 0, count = 0;
    for (const auto& chosen : valid_batches(most_batches, part)) {
      const TrainBatch batch = batch_of(valid(), chosen, kValidationEpoch);
      if (batch.count == 0) continue;
      const Tensor mean = loss_of(*model_, batch, {}, /*label_smoothing=*/0);
      sum += static_cast<double>(*mean.data<float>()) * static_cast<double>(batch.count);
      count += static_cast<double>(batch.count);
    }
    return {sum, count};
  }
  Evaluation evaluation(const std::vector<double>& sums) const override {
    const double mean = sums[0] / sums[1];
    return {.loss = mean, .more = {{"perplexity", std::exp(mean)}}, .score = -mean};
  }

  std::vector<std::string> judged_by() const override { return {"perplexity"}; }

  const Encoder* encoder() const override { return model_ ? &model_->encoder() : nullptr; }

 protected:
  TrainBatch batch_of(const TokenRows& rows, const std::vector<int64_t>& chosen,
                      int64_t epoch) const override {
    TokenRows masked{.per_token = true};
    std::vector<int64_t> places;
    for (const int64_t row : chosen) {
      std::vector<int32_t> ids = rows.ids[static_cast<size_t>(row)];
      masked.targets.push_back(
          mask_row(ids, special(ids.size()), masking_, settings().seed, epoch, row));
      masked.ids.push_back(std::move(ids));
      places.push_back(static_cast<int64_t>(places.size()));
    }
    return gather(masked, places);
  }

 private:
  /// Error for so few tokens that none of them is hidden.
  void check_validation() const {
    int64_t tokens = 0;
    for (const auto& chosen : valid_batches(0, {})) {
      const TrainBatch batch = batch_of(valid(), chosen, kValidationEpoch);
      if (batch.count > 0) return;
      tokens += batch.tokens;
    }
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: needed at least 1 hidden token to measure on, found 0 in the {} "
                            "for validation",
                            valid_file(), counted(tokens, "token")));
  }

  /// The places that the frame takes in a row.
  std::vector<bool> special(size_t size) const {
    std::vector<bool> marks(size);
    std::fill_n(marks.begin(), frame_.before.size(), true);
    std::fill_n(marks.rbegin(), frame_.after.size(), true);
    return marks;
  }

  /// The text cut into rows as long as the model reads, each in the template's frame.
  TokenRows rows_of(const TokenStream& tokens) const {
    const int64_t longest = longest_text(settings(), start());
    const auto frame = static_cast<int64_t>(frame_.before.size() + frame_.after.size());
    const int64_t inside = longest - frame;
    if (inside < 1) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("train mlm: rows of {} tokens have no room beside {} special ones",
                              longest, frame));
    }
    TokenRows rows{.per_token = true};
    for (int64_t begin = 0; begin < tokens.size(); begin += inside) {
      const int64_t count = std::min(inside, tokens.size() - begin);
      std::vector<int32_t> row(static_cast<size_t>(count));
      tokens.copy(begin, count, row.data());
      row.insert(row.begin(), frame_.before.begin(), frame_.before.end());
      row.insert(row.end(), frame_.after.begin(), frame_.after.end());
      rows.ids.push_back(std::move(row));
    }
    return rows;
  }

  Frame frame_;
  Masking masking_;
  std::unique_ptr<const EncoderHead> model_;
};

}  // namespace

std::unique_ptr<TrainTask> make_masked_task(const TrainConfig& settings) {
  return std::make_unique<MaskedTask>(settings);
}

}  // namespace heed
