#pragma once

#include <cstdint>
#include <vector>

#include "tests/golden.h"

// The batches of golden models: padded ids and the real tokens of each row.

namespace heed::testing {

using Rows = std::vector<std::vector<int32_t>>;

inline std::vector<int64_t> lengths_of(const Golden& golden) {
  const Tensor lengths = golden["lengths"];
  const auto all = lengths.span<const int32_t>();
  return {all.begin(), all.end()};
}

/// The real tokens of each row of padded [B, T] i32; no rows where it is undefined.
inline Rows rows_of(const Tensor& padded, const std::vector<int64_t>& lengths) {
  Rows rows;
  if (!padded) return rows;
  for (size_t b = 0; b < lengths.size(); ++b) {
    const int32_t* row = padded.data<int32_t>() + static_cast<int64_t>(b) * padded.size(1);
    rows.emplace_back(row, row + lengths[b]);
  }
  return rows;
}

}  // namespace heed::testing
