#include "heed/lens/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "heed/lens/canvas.h"
#include "heed/lens/labels.h"

namespace heed {
namespace {

using namespace page;

constexpr double kLargestCell = 44;    // points
constexpr double kSmallestCell = 0.5;  // one pixel of a PNG
constexpr double kOneMap = 600;        // points a map alone may take
constexpr double kPageWidth = 1320;    // points that several maps share
constexpr double kSmallestLabel = 8;   // font size still read with ease
constexpr double kLargestLabel = 12;
constexpr int64_t kMostCells = 2048;     // a side of one map
constexpr int64_t kMostGridCells = 256;  // a side of a map among many

Measure measure(double size, bool bold = false) {
  return [size, bold](std::string_view text) { return text_width(text, size, bold); };
}

double widest(const std::vector<std::string>& labels, double size) {
  double width = 0;
  for (const std::string& label : labels) width = std::max(width, text_width(label, size, false));
  return width;
}

void shorten_all(std::vector<std::string>& labels, double limit, double size) {
  for (std::string& label : labels) label = shorten(label, limit, measure(size));
}

// One computation in steps; each step reads what the earlier ones found.
class Measuring {
 public:
  explicit Measuring(const Picture& picture) : picture_(picture) {}

  Layout run() {
    count();
    choose_cells();
    choose_labels();
    place_panels();
    place_page();
    return std::move(out_);
  }

 private:
  void count() {
    const auto maps = static_cast<int64_t>(picture_.maps.size());
    many_ = picture_.maps.size() > kFewMaps;
    columns_ = picture_.columns > 0 ? picture_.columns
               : maps <= 3          ? std::max<int64_t>(maps, 1)
                                    : static_cast<int64_t>(std::ceil(std::sqrt(1.5 * maps)));
    columns_ = std::min(columns_, std::max<int64_t>(maps, 1));
    for (const HeatMap& map : picture_.maps) {
      Panel panel;
      panel.map = &map;
      const int64_t most = many_ ? kMostGridCells : kMostCells;
      const Shrunk small = shrink(map.values, most, most);
      panel.values = small.values;
      panel.row_labels = shrunk_labels(map.row_labels, small.row_factor);
      panel.column_labels = shrunk_labels(map.column_labels, small.column_factor);
      panel.range = value_range(map);
      rows_ = std::max(rows_, panel.values.size(0));
      cells_ = std::max(cells_, panel.values.size(1));
      factor_ = std::max({factor_, small.row_factor, small.column_factor});
      out_.panels.push_back(std::move(panel));
    }
    for (const Panel& panel : out_.panels) {
      same_labels_ &= panel.map->row_labels == picture_.maps[0].row_labels &&
                      panel.map->column_labels == picture_.maps[0].column_labels;
      out_.shared_legend &= panel.range == out_.panels[0].range;
    }
  }

  // Of many maps none has a legend: without one in common each says its range itself.
  bool titles_have_ranges() const { return many_ && !out_.shared_legend; }

  std::string title_of(const Panel& panel, double room) const {
    const Measure width = measure(out_.title_size, true);
    std::string range;
    if (titles_have_ranges()) {
      range = fmt::format("{}{:.3g} to {:.3g}", panel.map->title.empty() ? "" : ", ",
                          panel.range.lowest, panel.range.highest);
    }
    return shorten(clean_label(panel.map->title), room - width(range), width) + range;
  }

  void choose_cells() {
    const double width =
        columns_ == 1 ? kOneMap : kPageWidth / static_cast<double>(columns_) - (many_ ? 10 : 110);
    const double largest = many_ ? 20 : kLargestCell;
    const double fit = std::min(width / static_cast<double>(std::max<int64_t>(cells_, 1)),
                                kOneMap / static_cast<double>(std::max<int64_t>(rows_, 1)));
    out_.cell = std::clamp(std::floor(fit * 2) / 2, kSmallestCell, largest);
  }

  void choose_labels() {
    out_.title_size = many_ ? 9 : 12;
    out_.label_size = std::clamp(out_.cell * 0.6, kSmallestLabel, kLargestLabel);
    out_.label_step =
        static_cast<int64_t>(std::max(1.0, std::ceil(out_.label_size * 1.15 / out_.cell)));
    const double room = out_.cell * static_cast<double>(out_.label_step);
    double column_label = 0;
    for (Panel& panel : out_.panels) {
      shorten_all(panel.row_labels, many_ ? 70 : 130, out_.label_size);
      shorten_all(panel.column_labels, many_ ? 60 : 110, out_.label_size);
      row_label_ = std::max(row_label_, widest(panel.row_labels, out_.label_size));
      column_label = std::max(column_label, widest(panel.column_labels, out_.label_size));
      row_axis_ |= !panel.map->row_axis.empty() && !many_;
      column_axis_ |= !panel.map->column_axis.empty() && !many_;
    }
    out_.slant = column_label <= room - 4                  ? Slant::flat
                 : room >= out_.label_size * 1.4 && !many_ ? Slant::rising
                                                           : Slant::upright;
    const double slope = std::sqrt(0.5);
    column_space_ = out_.slant == Slant::flat     ? out_.label_size
                    : out_.slant == Slant::rising ? column_label * slope + out_.label_size * slope
                                                  : column_label;
    if (column_label == 0) column_space_ = 0;
    if (out_.slant != Slant::rising) return;
    for (const Panel& panel : out_.panels) {
      for (size_t i = 0; i < panel.column_labels.size(); ++i) {
        if (static_cast<int64_t>(i) % out_.label_step != 0) continue;
        const double from_right =
            out_.cell * (static_cast<double>(cells_ - static_cast<int64_t>(i)) - 0.5);
        const double reach = text_width(panel.column_labels[i], out_.label_size, false) * slope;
        overhang_ = std::max(overhang_, reach + out_.label_size * slope - from_right);
      }
    }
  }

  // In a grid of maps with the same words, words are written at its left and upper edge only.
  bool writes_rows(int64_t column) const { return !(many_ && same_labels_) || column == 0; }
  bool writes_columns(int64_t row) const { return !(many_ && same_labels_) || row == 0; }

  void place_panels() {
    const bool edge_only = many_ && same_labels_;
    const double axis = kAxisSize + 6;
    const double left = (row_label_ > 0 ? row_label_ + kLabelGap : 0) + (row_axis_ ? axis : 0);
    const double above =
        (column_space_ > 0 ? column_space_ + kLabelGap : 0) + (column_axis_ ? axis : 0);
    const double map_width = out_.cell * static_cast<double>(cells_);
    const double map_height = out_.cell * static_cast<double>(rows_);
    const bool legends = !out_.shared_legend && !many_;
    const double legend = kLegendGap + kLegendBar + kLegendNumbers;
    const double after = legends ? std::max(overhang_, legend) : overhang_;
    const double gap = many_ ? 10 : 28;
    title_wrapped();
    const double top = kMargin + static_cast<double>(out_.title.size()) * kTitleLine +
                       (out_.title.empty() ? 0 : 8);
    const double line = out_.title_size + 6;
    double y = top;
    double bottom = top;
    for (size_t i = 0; i < out_.panels.size(); ++i) {
      Panel& panel = out_.panels[i];
      const int64_t row = static_cast<int64_t>(i) / columns_;
      const int64_t column = static_cast<int64_t>(i) % columns_;
      if (column == 0 && row > 0) y = bottom + gap;
      const bool own_above = writes_columns(row);
      const double slot = map_width + (edge_only ? 0 : left + after) + gap;
      panel.x = kMargin + left + static_cast<double>(column) * slot;
      panel.title_y = y + out_.title_size;
      panel.y = y + (has_titles() ? line : 0) + (own_above ? above : 0);
      panel.title = title_of(panel, map_width + (many_ ? 0 : after));
      panel.legend = legends;
      if (!writes_rows(column)) panel.row_labels.clear();
      if (!own_above) panel.column_labels.clear();
      bottom = std::max(
          bottom, panel.y + (legends ? std::max(map_height, page::kLeastLegend) : map_height));
      right_ = std::max(right_, panel.x + map_width + after);
      maps_right_ = std::max(maps_right_, panel.x + map_width);
    }
    bottom_ = bottom;
    if (!out_.panels.empty()) out_.legend_y = out_.panels[0].y;
  }

  bool has_titles() const {
    return titles_have_ranges() ||
           std::any_of(picture_.maps.begin(), picture_.maps.end(),
                       [](const HeatMap& map) { return !map.title.empty(); });
  }

  void title_wrapped() {
    const double estimate =
        std::max(360.0, static_cast<double>(columns_ * cells_) * out_.cell + row_label_ + 60);
    out_.title = wrap(clean_label(picture_.title), estimate, measure(kTitleSize, true));
  }

  void place_page() {
    if (out_.shared_legend && !out_.panels.empty()) {
      out_.legend_x = maps_right_ + kLegendGap;  // below what the labels reach over
      out_.legend_height =
          std::clamp(bottom_ - out_.legend_y, page::kLeastLegend, page::kMostLegend);
      right_ = std::max(right_, out_.legend_x + kLegendBar + kLegendNumbers);
      bottom_ = std::max(bottom_, out_.legend_y + out_.legend_height);
    }
    for (const std::string& line : out_.title) {
      right_ = std::max(right_, kMargin + text_width(line, kTitleSize, true));
    }
    out_.width = std::ceil(std::max(right_, kMargin + 240) + kMargin);
    out_.caption = wrap(caption_text(), out_.width - 2 * kMargin, measure(kCaptionSize));
    out_.caption_y = bottom_ + 12 + kCaptionSize;
    const auto lines = static_cast<double>(out_.caption.size());
    out_.height = std::ceil(bottom_ + (lines > 0 ? 12 + lines * kCaptionLine : 0) + kMargin);
  }

  std::string caption_text() const {
    std::string text = clean_label(picture_.caption);
    const auto add = [&](const std::string& more) { text += (text.empty() ? "" : " ") + more; };
    if (factor_ > 1) {
      add("Each square is the largest of up to " + std::to_string(factor_) + " x " +
          std::to_string(factor_) + " values.");
    }
    return text;
  }

  const Picture& picture_;
  Layout out_ = [] {
    Layout layout;
    layout.shared_legend = true;
    return layout;
  }();
  int64_t columns_ = 1;
  int64_t rows_ = 0;   // of the tallest map
  int64_t cells_ = 0;  // across the widest map
  int64_t factor_ = 1;
  bool many_ = false;
  bool same_labels_ = true;
  bool row_axis_ = false;
  bool column_axis_ = false;
  double row_label_ = 0;
  double column_space_ = 0;
  double overhang_ = 0;
  double right_ = 0;
  double maps_right_ = 0;  // of the cells alone
  double bottom_ = 0;
};

}  // namespace

Layout lay_out(const Picture& picture) { return Measuring(picture).run(); }

}  // namespace heed
