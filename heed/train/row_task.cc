#include "heed/train/row_task.h"

#include <fmt/format.h>

#include <algorithm>

#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/ops/cross_entropy.h"

namespace heed {

void RowTask::check_rows(size_t rows, const BadRows& bad) const {
  if (rows > 0) return;
  const std::string left_out =
      bad.count() > 0
          ? fmt::format("; left out {}, the first {}", counted(bad.count(), "bad one"), bad.first())
          : "";
  throw Error(ErrorCode::invalid_argument,
              settings().data + ": needed at least 1 row to train on, found 0" + left_out);
}

void RowTask::set_rows(TokenRows train, TokenRows valid) {
  check_rows(train.ids.size(), {});
  if (valid.ids.empty() && !settings().validation.empty()) {
    throw Error(ErrorCode::invalid_argument,
                settings().validation + ": needed at least 1 row to measure on, found 0");
  }
  train_ = std::move(train);
  valid_ = std::move(valid);
  order_ = std::make_unique<BatchOrder>(train_.lengths(), limits(), settings().seed);
}

BatchLimits RowTask::limits() const {
  return {.rows = settings().batch, .tokens = settings().batch_tokens};
}

Tensor RowTask::loss_of(const EncoderHead& model, const TrainBatch& batch, const Run& run,
                        double label_smoothing) {
  const LinearWeights& output = model.output();
  return cross_entropy(model.features(batch.input, run), output.weight, output.bias, batch.targets,
                       {.label_smoothing = static_cast<float>(label_smoothing)});
}

std::string RowTask::sample_text(int64_t most_tokens) const {
  std::vector<int32_t> ids = train_.ids.front();
  ids.resize(std::min(ids.size(), static_cast<size_t>(most_tokens)));
  return tokenizer().decode(ids);
}

TrainBatch RowTask::batch_of(const TokenRows& rows, const std::vector<int64_t>& chosen,
                             int64_t /*epoch*/) const {
  return gather(rows, chosen);
}

std::vector<std::vector<int64_t>> RowTask::valid_batches(int64_t most, ProcessPart part) const {
  auto batches = ordered_batches(valid_.lengths(), limits());
  if (most > 0 && static_cast<int64_t>(batches.size()) > most) {
    batches.resize(static_cast<size_t>(most));
  }
  std::vector<std::vector<int64_t>> own;
  for (auto i = static_cast<size_t>(part.rank); i < batches.size();
       i += static_cast<size_t>(part.size)) {
    own.push_back(std::move(batches[i]));
  }
  return own;
}

}  // namespace heed
