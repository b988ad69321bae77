#pragma once

#include <functional>
#include <optional>
#include <string>

#include "heed/nn/params.h"
#include "heed/tensor/block_matrix.h"

namespace heed::internal {

/// A weight as a file has it: plain numbers, or a matrix in blocks.
struct StoredWeight {
  Tensor numbers;
  std::optional<BlockMatrix> blocks;

  /// Whether Heed computes with it: no integers, no truth values.
  bool is_real() const;
  int64_t rows() const { return blocks ? blocks->rows : numbers.size(0); }
  Shape shape() const;
  /// Of the numbers, or of the blocks; f64 and integers count as f32.
  BlockKind kind() const;
  /// f32, in the shape above.
  Tensor values() const;
  /// Row i is what row row_of(i) was.
  StoredWeight reordered(const std::function<int64_t(int64_t)>& row_of) const;
};

/// Blocks where the source has quantised ones, else numbers.
StoredWeight stored_tensor(const Params::Source& source, const std::string& name);
/// The same. Error unsupported for what is not real.
StoredWeight stored_weight(const Params::Source& source, const std::string& name);

/// Row i of a rotated matrix in interleaved order (2i, 2i + 1), by the rows of halves (i, i + D/2),
/// and back: heads of D rows each.
int64_t half_of_interleaved(int64_t row, int64_t head_dim);
int64_t interleaved_of_half(int64_t row, int64_t head_dim);

}  // namespace heed::internal
