#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "heed/base/error.h"
#include "heed/lens/labels.h"
#include "heed/lens/layout.h"

namespace heed {
namespace {

void check_labels(const HeatMap& map, const char* which, size_t found, int64_t needed) {
  if (found == 0 || static_cast<int64_t>(found) == needed) return;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("picture: map '{}' needs {} {} labels, found {}; its values are {}",
                          map.title, needed, which, found, to_string(map.values.shape())));
}

}  // namespace

void check_picture(const Picture& picture) {
  for (const HeatMap& map : picture.maps) {
    if (!map.values.defined() || map.values.rank() != 2 || map.values.dtype() != DType::f32) {
      const std::string found =
          map.values.defined()
              ? fmt::format("{} {}", to_string(map.values.dtype()), to_string(map.values.shape()))
              : "none";
      throw Error(
          ErrorCode::invalid_argument,
          fmt::format("picture: map '{}' needs f32 values [R, C], found {}", map.title, found));
    }
    check_labels(map, "row", map.row_labels.size(), map.values.size(0));
    check_labels(map, "column", map.column_labels.size(), map.values.size(1));
    check_labels(map, "cell", map.cells.size(), map.values.numel());
  }
}

ValueRange value_range(const HeatMap& map) {
  float lowest = 0;
  float highest = -std::numeric_limits<float>::infinity();
  const Tensor values = map.values.contiguous();
  for (const float value : values.span<const float>()) {
    if (!std::isfinite(value)) continue;
    lowest = std::min(lowest, value);
    highest = std::max(highest, value);
  }
  if (-lowest < 1e-5f * highest) lowest = 0;  // rounding makes no sign
  ValueRange range{map.lowest.value_or(lowest), map.highest.value_or(highest)};
  if (range.has_signs()) {
    range.highest = std::max(range.highest, -range.lowest);
    range.lowest = -range.highest;
  }
  if (!(range.highest > range.lowest)) range.highest = range.lowest + 1;
  return range;
}

Shrunk shrink(const Tensor& values, int64_t most_rows, int64_t most_columns) {
  const auto factor = [](int64_t size, int64_t most) {
    return size <= most ? 1 : (size + most - 1) / std::max<int64_t>(most, 1);
  };
  Shrunk out;
  out.row_factor = factor(values.size(0), most_rows);
  out.column_factor = factor(values.size(1), most_columns);
  if (out.row_factor == 1 && out.column_factor == 1) {
    out.values = values.contiguous();
    return out;
  }
  const auto blocks = [](int64_t size, int64_t f) { return (size + f - 1) / f; };
  out.values = Tensor::full(
      {blocks(values.size(0), out.row_factor), blocks(values.size(1), out.column_factor)},
      std::numeric_limits<float>::quiet_NaN());
  for (int64_t r = 0; r < values.size(0); ++r) {
    for (int64_t c = 0; c < values.size(1); ++c) {
      float& block = out.values.at({r / out.row_factor, c / out.column_factor});
      const float value = values.at({r, c});
      if (std::isnan(block) || std::abs(value) > std::abs(block)) block = value;
    }
  }
  return out;
}

std::vector<std::string> shrunk_labels(const std::vector<std::string>& labels, int64_t factor) {
  std::vector<std::string> out;
  for (size_t i = 0; i < labels.size(); i += static_cast<size_t>(factor)) {
    out.push_back(clean_label(labels[i]));
  }
  return out;
}

std::vector<double> nice_ticks(const ValueRange& range, int wanted) {
  const double span = static_cast<double>(range.highest) - range.lowest;
  const double raw = span / wanted;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  const double step = power * (raw / power < 1.5   ? 1
                               : raw / power < 3.5 ? 2
                               : raw / power < 7.5 ? 5
                                                   : 10);
  std::vector<double> ticks;
  const double slack = span * 1e-6;
  for (double n = std::ceil((range.lowest - slack) / step); n * step <= range.highest + slack;
       ++n) {
    ticks.push_back(n * step);
  }
  return ticks;
}

}  // namespace heed
