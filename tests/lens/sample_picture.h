#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "heed/lens/picture.h"

namespace heed::testing {

/// Rows that sum to 1 and labels that are hard to draw: wide, combining, long, with an escape
/// sequence, quotes, markup and broken UTF-8.
inline HeatMap sample_map(int64_t rows, int64_t columns, int seed = 1) {
  static const std::vector<std::string> hard = {"[CLS]",
                                                "I",
                                                "数据",
                                                "nai\u0308ve",
                                                "internationalisation",
                                                "\033[31mred\nline",
                                                "a,\"b\"",
                                                "<b>&</b>",
                                                "\xff\xfe",
                                                "👩‍👩‍👧",
                                                "مرحبا",
                                                ""};
  HeatMap map;
  map.title = "map " + std::to_string(seed) + " of <words>";
  map.values = Tensor::empty({rows, columns});
  for (int64_t r = 0; r < rows; ++r) {
    float sum = 0;
    for (int64_t c = 0; c < columns; ++c) {
      const auto phase = static_cast<float>((r * 7 + c * 13 + seed * 5) % 17);
      sum += map.values.at({r, c}) = std::exp(phase / 4);
    }
    for (int64_t c = 0; c < columns; ++c) map.values.at({r, c}) /= sum;
    map.row_labels.push_back(hard[static_cast<size_t>(r) % hard.size()]);
  }
  for (int64_t c = 0; c < columns; ++c) {
    map.column_labels.push_back(hard[static_cast<size_t>(c) % hard.size()]);
  }
  map.row_axis = "looks";
  map.column_axis = "looked at";
  return map;
}

inline Picture sample_picture(int maps, int64_t rows, int64_t columns) {
  Picture picture;
  picture.title = "A picture";
  picture.caption = "What is to be seen in it, in a sentence long enough to be broken into lines.";
  for (int i = 0; i < maps; ++i) picture.maps.push_back(sample_map(rows, columns, i));
  return picture;
}

}  // namespace heed::testing
