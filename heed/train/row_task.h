#pragma once

#include <memory>
#include <vector>

#include "heed/models/heads.h"
#include "heed/train/task_base.h"
#include "heed/train/token_rows.h"

namespace heed {

/// What is wrong with a row of which a tokenizer without a template makes nothing.
inline constexpr const char* kNoPieces = "the tokenizer has no piece for any of its characters";

/// A task whose data are rows of their own: batches by length, an epoch after another.
class RowTask : public TaskBase {
 public:
  using TaskBase::TaskBase;

  TrainBatch next(DataPosition& at) override {
    const int64_t epoch = at.epoch;
    return batch_of(train_, order_->next(at), epoch);
  }
  int64_t batches_per_epoch() override { return order_->size(0); }
  bool can_evaluate() const override { return !valid_.ids.empty(); }
  std::string sample_text(int64_t most_tokens) const override;

 protected:
  /// The rows to measure on: what `read` makes of the file settings().validation names, or without
  /// one a drawn part of `train`, which keeps the rest.
  template <class Row, class Read>
  std::vector<Row> validation_rows(std::vector<Row>& train, const Read& read) const {
    if (!settings().validation.empty()) return read(settings().validation);
    const RowSplit split =
        split_rows(static_cast<int64_t>(train.size()), settings().validation_part, settings().seed);
    std::vector<Row> valid = chosen_rows(train, split.valid);
    train = chosen_rows(train, split.train);
    return valid;
  }
  /// Error invalid_argument if no row for training was read, with what was left out.
  void check_rows(size_t rows, const BadRows& bad) const;
  /// Error invalid_argument without a row for training, or with a file for validation that has
  /// none.
  void set_rows(TokenRows train, TokenRows valid);
  /// The chosen rows as a batch; masked language modelling draws in it.
  virtual TrainBatch batch_of(const TokenRows& rows, const std::vector<int64_t>& chosen,
                              int64_t epoch) const;
  BatchLimits limits() const;
  /// Of a batch, the mean over its targets.
  static Tensor loss_of(const EncoderHead& model, const TrainBatch& batch, const Run& run,
                        double label_smoothing);
  /// The file that the rows to measure on are of.
  const std::string& valid_file() const {
    return settings().validation.empty() ? settings().data : settings().validation;
  }
  /// The validation data, in batches; of several processes each has every so manieth.
  std::vector<std::vector<int64_t>> valid_batches(int64_t most, ProcessPart part) const;
  const TokenRows& valid() const { return valid_; }

 private:
  TokenRows train_;
  TokenRows valid_;
  std::unique_ptr<BatchOrder> order_;
};

}  // namespace heed
