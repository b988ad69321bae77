// The texts that encoders read in benchmarks: bench/texts.py makes the same ids.
#pragma once

#include <cstdint>
#include <vector>

namespace heed::bench {

/// A row of ids for each length.
inline std::vector<std::vector<int32_t>> make_texts(const std::vector<int64_t>& lengths) {
  std::vector<std::vector<int32_t>> rows(lengths.size());
  for (size_t row = 0; row < rows.size(); ++row) {
    const auto b = static_cast<int64_t>(row);
    for (int64_t t = 0; t < lengths[row]; ++t) {
      rows[row].push_back(static_cast<int32_t>(1000 + (b * 131 + t * 7919 + b * t) % 28000));
    }
  }
  return rows;
}

}  // namespace heed::bench
