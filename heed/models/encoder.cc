#include "heed/models/encoder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "heed/base/error.h"

namespace heed {
namespace {

using Rows = std::vector<std::vector<int32_t>>;

/// Rows -> [B, T] i32 with zeros after each row's end.
Tensor padded(const Rows& rows, int64_t tokens) {
  Tensor batch = Tensor::zeros({static_cast<int64_t>(rows.size()), tokens}, DType::i32);
  int32_t* to = batch.data<int32_t>();
  for (const auto& row : rows) {
    std::ranges::copy(row, to);
    to += tokens;
  }
  return batch;
}

}  // namespace

void check_rows(const Rows& ids, const Rows& type_ids) {
  if (ids.empty()) {
    throw Error(ErrorCode::invalid_argument, "batch: at least one row of ids is needed, found 0");
  }
  if (!type_ids.empty() && type_ids.size() != ids.size()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("batch: type ids must have the shape of the ids, found {} rows for {}",
                            type_ids.size(), ids.size()));
  }
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i].empty()) {
      throw Error(ErrorCode::invalid_argument, fmt::format("batch: row {} has no ids", i));
    }
    if (!type_ids.empty() && type_ids[i].size() != ids[i].size()) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("batch: type ids must have the shape of the ids, found {} for {} in "
                              "row {}",
                              type_ids[i].size(), ids[i].size(), i));
    }
  }
}

EncoderInput EncoderInput::from_rows(const Rows& ids, const Rows& type_ids) {
  check_rows(ids, type_ids);
  EncoderInput input;
  for (const auto& row : ids) input.lengths.push_back(static_cast<int64_t>(row.size()));
  const int64_t tokens = std::ranges::max(input.lengths);
  input.ids = padded(ids, tokens);
  if (!type_ids.empty()) input.type_ids = padded(type_ids, tokens);
  return input;
}

Mask padding_mask(std::string_view operation, const std::vector<int64_t>& lengths, int64_t batch,
                  int64_t tokens) {
  if (lengths.empty()) return {};
  bool full = static_cast<int64_t>(lengths.size()) == batch;
  for (const int64_t length : lengths) {
    if (length < 0 || length > tokens || static_cast<int64_t>(lengths.size()) != batch) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("{}: lengths must be {} numbers from 0 to {} but are [{}]", operation,
                              batch, tokens, fmt::join(lengths, ", ")));
    }
    full = full && length == tokens;
  }
  return full ? Mask() : Mask::padding(lengths);
}

}  // namespace heed
