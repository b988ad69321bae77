#include "heed/tasks/forward_arrays.h"

#include <algorithm>

namespace heed {
namespace {

/// from, to: [R, N], rows contiguous.
void copy(const Tensor& from, const Tensor& to) {
  for (int64_t r = 0; r < to.size(0); ++r) {
    std::copy_n(from.data<float>() + r * from.stride(0), to.size(1),
                to.data<float>() + r * to.stride(0));
  }
}

}  // namespace

RowPlaces::RowPlaces(const Rows& rows, PadSide side) : side_(side) {
  for (const auto& row : rows) {
    lengths_.push_back(static_cast<int64_t>(row.size()));
    tokens_ = std::max(tokens_, lengths_.back());
  }
}

int64_t RowPlaces::begin(int64_t row) const {
  return side_ == PadSide::left ? tokens_ - lengths_[static_cast<size_t>(row)] : 0;
}

std::pair<Tensor, Tensor> RowPlaces::padded(const Rows& ids, int32_t pad_id) const {
  const Tensor all = Tensor::empty({rows(), tokens_}, DType::i64);
  std::ranges::fill(all.span<int64_t>(), pad_id);
  const Tensor mask = Tensor::zeros({rows(), tokens_}, DType::i64);
  for (int64_t r = 0; r < rows(); ++r) {
    const int64_t at = r * tokens_ + begin(r);
    std::ranges::copy(ids[static_cast<size_t>(r)], all.data<int64_t>() + at);
    std::fill_n(mask.data<int64_t>() + at, end(r) - begin(r), 1);
  }
  return {all, mask};
}

void RowPlaces::keep_states(const Tensor& states, int64_t first_row, const Tensor& into) const {
  for (int64_t b = 0; b < states.size(0); ++b) {
    const int64_t row = first_row + b;
    copy(states.select(0, b), into.select(0, row).slice(0, begin(row), end(row)));
  }
}

void RowPlaces::keep_weights(const Tensor& weights, int64_t first_row, const RowPlaces& keys,
                             const Tensor& into) const {
  for (int64_t b = 0; b < weights.size(0); ++b) {
    const int64_t row = first_row + b;
    for (int64_t h = 0; h < into.size(1); ++h) {
      copy(weights.select(0, b).select(0, h), into.select(0, row)
                                                  .select(0, h)
                                                  .slice(0, begin(row), end(row))
                                                  .slice(1, keys.begin(row), keys.end(row)));
    }
  }
}

RowPlaces::Rows some_rows(const RowPlaces::Rows& rows, size_t begin, size_t end) {
  if (rows.empty()) return {};
  return {rows.begin() + static_cast<std::ptrdiff_t>(begin),
          rows.begin() + static_cast<std::ptrdiff_t>(end)};
}

}  // namespace heed
