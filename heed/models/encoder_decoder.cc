#include "heed/models/encoder_decoder.h"

#include "heed/base/error.h"
#include "heed/ops/reduce.h"

namespace heed {
namespace {

/// x [B, ...] -> its rows `which`.
Tensor rows_of(const Tensor& x, const std::vector<int64_t>& which) {
  if (x.size(0) == 1) {
    Shape shape = x.shape();
    shape[0] = static_cast<int64_t>(which.size());
    return x.expand(shape);
  }
  std::vector<Tensor> rows;
  for (const int64_t row : which) rows.push_back(x.slice(0, row, row + 1));
  return concatenate(rows, 0);
}

}  // namespace

Memory Memory::rows(const std::vector<int64_t>& which) const {
  for (const int64_t row : which) HEED_ASSERT(row >= 0 && row < states.size(0));
  Memory some{.states = rows_of(states, which), .lengths = {}};
  if (!lengths.empty()) {
    for (const int64_t row : which) some.lengths.push_back(lengths[static_cast<size_t>(row)]);
  }
  for (const Tensor& state : last) some.last.push_back(rows_of(state, which));
  return some;
}

}  // namespace heed
