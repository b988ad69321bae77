#pragma once

#include <utility>
#include <vector>

#include "heed/tasks/forward.h"

namespace heed {

/// Where rows of ids of any lengths stand in arrays that are as wide as the longest; copies what a
/// batch of them, padded at the right, gave. Internal: not installed.
class RowPlaces {
 public:
  using Rows = std::vector<std::vector<int32_t>>;

  RowPlaces(const Rows& rows, PadSide side);

  int64_t rows() const { return static_cast<int64_t>(lengths_.size()); }
  int64_t tokens() const { return tokens_; }
  int64_t begin(int64_t row) const;
  int64_t end(int64_t row) const { return begin(row) + lengths_[static_cast<size_t>(row)]; }

  /// The ids and the mask, [rows, tokens] i64 each.
  std::pair<Tensor, Tensor> padded(const Rows& ids, int32_t pad_id) const;
  /// states [B, T, C] of the rows from first_row on -> into [rows, tokens, C].
  void keep_states(const Tensor& states, int64_t first_row, const Tensor& into) const;
  /// weights [B, H, T, S] of queries of these rows and keys of those -> into [rows, H, tokens,
  /// keys.tokens()].
  void keep_weights(const Tensor& weights, int64_t first_row, const RowPlaces& keys,
                    const Tensor& into) const;

 private:
  std::vector<int64_t> lengths_;
  int64_t tokens_ = 0;
  PadSide side_;
};

/// Rows [begin, end); none of none.
RowPlaces::Rows some_rows(const RowPlaces::Rows& rows, size_t begin, size_t end);

}  // namespace heed
