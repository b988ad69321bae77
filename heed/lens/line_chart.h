#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "heed/lens/picture.h"

namespace heed {

/// Numbers over other numbers, joined by lines.
struct LineChart {
  struct Series {
    std::string name;
    std::vector<double> x;  // ascending
    std::vector<double> y;  // as many; not finite: a gap
  };
  std::string title;
  std::string x_axis;
  std::string y_axis;
  std::vector<Series> series;
  bool log_x = false;  // equal distances are equal factors; what is not above 0 is a gap
  bool log_y = false;
};

/// Writes the chart as .png, .svg or .pdf, by the path's ending, through a temporary name. Error
/// invalid_argument for another ending or a chart without a finite number.
void save_chart(const LineChart& chart, const std::filesystem::path& path, Theme theme);
/// The same of several on one page, two beside each other.
void save_charts(const std::vector<LineChart>& charts, const std::filesystem::path& path,
                 Theme theme);

}  // namespace heed
