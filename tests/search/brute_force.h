#pragma once

#include <algorithm>
#include <vector>

#include "heed/kernels/block_product.h"
#include "heed/search/nearest.h"

namespace heed::testing {

/// Rows in memory, quantised.
struct Rows {
  Rows(std::vector<float> values, int64_t row_width)
      : vectors(std::move(values)), width(row_width) {
    const auto count = static_cast<int64_t>(vectors.size()) / width;
    codes.resize(static_cast<size_t>(count * code_width(width)));
    for (int64_t i = 0; i < count; ++i) {
      const std::span row(vectors.data() + i * width, static_cast<size_t>(width));
      scales.push_back(quantize_row(row, codes.data() + i * code_width(width)));
      double squares = 0;
      for (const float value : row) squares += static_cast<double>(value) * value;
      longest = std::max(longest, static_cast<float>(std::sqrt(squares) * (1 + 1e-6)));
    }
  }
  int64_t count() const { return static_cast<int64_t>(scales.size()); }
  RowBlock block(int64_t begin, int64_t end) const {
    return {begin,
            end - begin,
            vectors.data() + begin * width,
            codes.data() + begin * code_width(width),
            scales.data() + begin,
            longest};
  }

  std::vector<float> vectors;
  int64_t width;
  std::vector<int8_t> codes;
  std::vector<RowScale> scales;
  float longest = 0;
};

/// Every row's f32 product, sorted: the law that nearest() keeps.
inline std::vector<Near> brute_force(std::span<const RowBlock> blocks,
                                     const std::vector<float>& query, int64_t k) {
  const auto width = static_cast<int64_t>(query.size());
  std::vector<Near> all;
  for (const RowBlock& block : blocks) {
    std::vector<float> scores(static_cast<size_t>(block.count));
    kernels::block_product(
        {.weights = {BlockKind::f32, reinterpret_cast<const std::byte*>(block.vectors),
                     width * int64_t{sizeof(float)}, width},
         .first_output = 0,
         .last_output = block.count,
         .x = query.data(),
         .x_stride = width,
         .y = scores.data(),
         .y_stride = block.count,
         .rows = 1});
    for (int64_t i = 0; i < block.count; ++i) {
      all.push_back({block.first + i, scores[static_cast<size_t>(i)]});
    }
  }
  std::ranges::sort(all, [](const Near& a, const Near& b) {
    return a.score != b.score ? a.score > b.score : a.row < b.row;
  });
  if (static_cast<int64_t>(all.size()) > k) all.resize(static_cast<size_t>(k));
  return all;
}

}  // namespace heed::testing
