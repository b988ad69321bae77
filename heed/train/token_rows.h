#pragma once

#include <cstdint>
#include <vector>

#include "heed/train/task.h"

namespace heed {

/// Texts as token ids, with one target for each (a class) or one for each token (tags).
struct TokenRows {
  std::vector<std::vector<int32_t>> ids;
  std::vector<std::vector<int32_t>> types;    // which text of a pair a token is from, or none
  std::vector<std::vector<int32_t>> targets;  // may be absent until a batch is made
  bool per_token = false;

  std::vector<int64_t> lengths() const;  // of the longer side
};

/// Chosen rows as a padded batch; targets [B], or [B, T] with kNoTarget for padding.
TrainBatch gather(const TokenRows& rows, const std::vector<int64_t>& chosen);

/// Rows for training and rows for validation.
struct RowSplit {
  std::vector<int64_t> train;
  std::vector<int64_t> valid;
};
/// A `part` of the rows, drawn by the seed, is for validation: at least one row, where part > 0.
/// Error invalid_argument if nothing is left to train on.
RowSplit split_rows(int64_t rows, double part, uint64_t seed);

template <class Row>
std::vector<Row> chosen_rows(const std::vector<Row>& rows, const std::vector<int64_t>& chosen) {
  std::vector<Row> result;
  result.reserve(chosen.size());
  for (const int64_t row : chosen) result.push_back(rows[static_cast<size_t>(row)]);
  return result;
}

/// The mean cross-entropy of logits [N, V] against targets [N] (kNoTarget: none) in f64 for
/// evaluation, and the likeliest class of each row.
struct Judged {
  double loss_sum = 0;
  int64_t count = 0;
  std::vector<int32_t> likeliest;  // [N]
};
Judged judge(const Tensor& logits, const Tensor& targets);

}  // namespace heed
