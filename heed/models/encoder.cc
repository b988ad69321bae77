#include "heed/models/encoder.h"

#include <fmt/format.h>

#include <algorithm>

#include "heed/base/error.h"

namespace heed {
namespace {

using Rows = std::vector<std::vector<int32_t>>;

/// Rows -> [B, T] i32 with zeros after each row's end.
Tensor padded(const Rows& rows, int64_t tokens) {
  const Tensor batch = Tensor::zeros({static_cast<int64_t>(rows.size()), tokens}, DType::i32);
  int32_t* to = batch.data<int32_t>();
  for (const auto& row : rows) {
    std::ranges::copy(row, to);
    to += tokens;
  }
  return batch;
}

}  // namespace

EncoderInput EncoderInput::from_rows(const Rows& ids, const Rows& type_ids) {
  if (ids.empty()) {
    throw Error(ErrorCode::invalid_argument, "batch: at least one row of ids is needed, found 0");
  }
  EncoderInput input;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i].empty()) {
      throw Error(ErrorCode::invalid_argument, fmt::format("batch: row {} has no ids", i));
    }
    input.lengths.push_back(static_cast<int64_t>(ids[i].size()));
    if (type_ids.empty()) continue;
    if (type_ids.size() != ids.size() || type_ids[i].size() != ids[i].size()) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("batch: type ids must have the shape of the ids, row {} has not", i));
    }
  }
  const int64_t tokens = std::ranges::max(input.lengths);
  input.ids = padded(ids, tokens);
  if (!type_ids.empty()) input.type_ids = padded(type_ids, tokens);
  return input;
}

}  // namespace heed
