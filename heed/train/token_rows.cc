#include "heed/train/token_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "heed/base/error.h"
#include "heed/base/message.h"

namespace heed {
namespace {

Tensor class_targets(const TokenRows& rows, const std::vector<int64_t>& chosen) {
  Tensor targets = Tensor::empty({static_cast<int64_t>(chosen.size())}, DType::i32);
  int32_t* to = targets.data<int32_t>();
  for (const int64_t row : chosen) *to++ = rows.targets[static_cast<size_t>(row)].front();
  return targets;
}

Tensor token_targets(const TokenRows& rows, const std::vector<int64_t>& chosen, int64_t tokens) {
  Tensor targets = Tensor::empty({static_cast<int64_t>(chosen.size()), tokens}, DType::i32);
  std::ranges::fill(targets.span<int32_t>(), kNoTarget);
  int32_t* to = targets.data<int32_t>();
  for (const int64_t row : chosen) {
    std::ranges::copy(rows.targets[static_cast<size_t>(row)], to);
    to += tokens;
  }
  return targets;
}

}  // namespace

std::vector<int64_t> TokenRows::lengths() const {
  std::vector<int64_t> lengths;
  lengths.reserve(ids.size());
  for (size_t i = 0; i < ids.size(); ++i) {
    const size_t other = i < targets.size() ? targets[i].size() : 0;
    lengths.push_back(static_cast<int64_t>(std::max(ids[i].size(), other)));
  }
  return lengths;
}

TrainBatch gather(const TokenRows& rows, const std::vector<int64_t>& chosen) {
  TrainBatch batch;
  using Rows = std::vector<std::vector<int32_t>>;
  batch.input = EncoderInput::from_rows(
      chosen_rows(rows.ids, chosen), rows.types.empty() ? Rows() : chosen_rows(rows.types, chosen));
  batch.targets = rows.per_token ? token_targets(rows, chosen, batch.input.ids.size(1))
                                 : class_targets(rows, chosen);
  for (const int64_t length : batch.input.lengths) batch.tokens += length;
  const auto targets = batch.targets.span<int32_t>();
  batch.count = std::ranges::count_if(targets, [](int32_t id) { return id != kNoTarget; });
  return batch;
}

RowSplit split_rows(int64_t rows, double part, uint64_t seed) {
  std::vector<int64_t> order = shuffled(rows, seed, -1);
  const auto valid =
      part <= 0 ? int64_t{0}
                : std::max(int64_t{1},
                           static_cast<int64_t>(std::llround(static_cast<double>(rows) * part)));
  if (valid >= rows) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("data: needed rows to train on and rows to measure on, found {} and a "
                            "validation_part of {:g}",
                            counted(rows, "row"), part));
  }
  RowSplit split;
  split.valid.assign(order.begin(), order.begin() + valid);
  split.train.assign(order.begin() + valid, order.end());
  std::ranges::sort(split.valid);
  std::ranges::sort(split.train);
  return split;
}

Judged judge(const Tensor& logits, const Tensor& targets) {
  const int64_t rows = logits.size(0), classes = logits.size(1);
  HEED_ASSERT(targets.numel() == rows);
  Judged result;
  for (int64_t r = 0; r < rows; ++r) {
    const float* row = logits.data<float>() + r * classes;
    const auto best = std::max_element(row, row + classes);
    result.likeliest.push_back(static_cast<int32_t>(best - row));
    const int32_t target = targets.data<int32_t>()[r];
    if (target == kNoTarget) continue;
    double sum = 0;
    for (int64_t c = 0; c < classes; ++c) sum += std::exp(static_cast<double>(row[c]) - *best);
    result.loss_sum += std::log(sum) + *best - row[target];
    ++result.count;
  }
  return result;
}

}  // namespace heed
