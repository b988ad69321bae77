#pragma once

#include <string>
#include <vector>

#include "heed/lens/picture.h"

namespace heed {

/// A map made smaller for a medium of few pixels: each value is the one furthest from 0 of a block.
struct Shrunk {
  Tensor values;  // [ceil(R / row_factor), ceil(C / column_factor)] f32
  int64_t row_factor = 1;
  int64_t column_factor = 1;
};
/// At most `most_rows` x `most_columns`; values as they are if they fit. NaN yields to numbers.
Shrunk shrink(const Tensor& values, int64_t most_rows, int64_t most_columns);

/// Clean labels of a shrunk map: the first label of each block. Empty if there were none.
std::vector<std::string> shrunk_labels(const std::vector<std::string>& labels, int64_t factor);

/// How column labels stand.
enum class Slant { flat, rising, upright };  // 0, 45 and 90 degrees

/// Where one map's cells lie on the page, in points, and what is written around them.
struct Panel {
  const HeatMap* map = nullptr;
  std::string title;
  Tensor values;                           // as drawn
  std::vector<std::string> row_labels;     // empty: not written here
  std::vector<std::string> column_labels;  // empty: not written here
  ValueRange range;
  double cell = 0;         // side of a cell
  double label_size = 0;   // font size
  int64_t label_step = 1;  // every so many-th label is written
  Slant slant = Slant::flat;
  double x = 0;  // of the cells' upper left corner
  double y = 0;
  double title_y = 0;   // base line
  bool legend = false;  // right of the cells

  double width() const { return cell * static_cast<double>(values.size(1)); }
  double height() const { return cell * static_cast<double>(values.size(0)); }
};

/// A page of heat maps, measured: sizes chosen so that a small map has room for its numbers, a long
/// text's labels thin out, and a grid of many maps stays a page. Maps have cells of one size where
/// these are not too small to read.
struct Layout {
  double width = 0;
  double height = 0;
  double title_size = 0;  // of a map
  bool shared_legend = false;
  double legend_x = 0;
  double legend_y = 0;
  double legend_height = 0;
  std::vector<std::string> title;    // lines
  std::vector<std::string> caption;  // lines
  double caption_y = 0;              // first base line
  std::vector<Panel> panels;
};

/// Measures a picture that check_picture() has passed.
Layout lay_out(const Picture& picture);

/// Up to here each map has labels, axes and a legend of its own; more make a grid.
constexpr size_t kFewMaps = 6;

namespace page {  // distances in points that measuring and drawing share
constexpr double kMargin = 20;
constexpr double kTitleSize = 15;
constexpr double kTitleLine = 20;
constexpr double kCaptionSize = 10;
constexpr double kCaptionLine = 14;
constexpr double kAxisSize = 10;
constexpr double kLabelGap = 5;
constexpr double kLegendBar = 12;
constexpr double kLegendGap = 18;
constexpr double kLegendNumbers = 34;
constexpr double kLeastLegend = 60;  // high
constexpr double kMostLegend = 220;
}  // namespace page

/// Round numbers from the first to the last within the range, about `wanted` of them.
std::vector<double> nice_ticks(const ValueRange& range, int wanted);

/// Throws Error invalid_argument naming the map whose values are not [R, C] or whose labels do not
/// fit them.
void check_picture(const Picture& picture);

}  // namespace heed
