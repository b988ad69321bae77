#include "heed/lens/layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "heed/lens/canvas.h"
#include "heed/lens/labels.h"

namespace heed {
namespace {

using namespace page;

constexpr double kLargestCell = 44;    // points
constexpr double kSmallestCell = 0.5;  // one pixel of a PNG
constexpr double kReadableCell = 8;    // below, maps of other sizes have cells of their own
constexpr double kLeastSlot = 200;     // points across for these
constexpr double kOneMap = 600;        // points a map alone may take
constexpr double kPageWidth = 1320;    // points that several maps share
constexpr double kGridGap = 10;        // points between many maps
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
    measure_titles();
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
    out_.title_size = many_ ? 9 : 12;
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
    const std::string title = clean_label(panel.map->title);
    if (!titles_have_ranges()) return shorten(title, room, width);
    const std::string range =
        fmt::format("{:.3g} to {:.3g}", panel.range.lowest, panel.range.highest);
    const std::string name = shorten(title, room - width(", " + range), width);
    return name.empty() ? shorten(range, room, width) : name + ", " + range;
  }

  /// What the longest title of many maps takes: small maps have room for it too.
  void measure_titles() {
    if (!many_) return;
    const double most = kPageWidth / static_cast<double>(columns_) - kGridGap;
    for (const Panel& panel : out_.panels) {
      title_room_ = std::max(title_room_, text_width(title_of(panel, most), out_.title_size, true));
    }
  }

  /// The side that so many cells can have.
  double fitting_cell(int64_t rows, int64_t columns) const {
    const double width =
        columns_ == 1 ? kOneMap
                      : kPageWidth / static_cast<double>(columns_) - (many_ ? kGridGap : 110);
    const double largest = many_ ? 20 : kLargestCell;
    const double fit = std::min(width / static_cast<double>(std::max<int64_t>(columns, 1)),
                                kOneMap / static_cast<double>(std::max<int64_t>(rows, 1)));
    return std::clamp(std::floor(fit * 2) / 2, kSmallestCell, largest);
  }

  void choose_cells() {
    common_cell_ = fitting_cell(rows_, cells_);
    const bool own = !many_ && common_cell_ < kReadableCell;
    for (Panel& panel : out_.panels) {
      panel.cell = own ? fitting_cell(panel.values.size(0), panel.values.size(1)) : common_cell_;
    }
  }

  /// What a panel's cells and title may take across.
  double slot_width(const Panel& panel) const {
    if (panel.cell != common_cell_) return std::max(panel.width(), kLeastSlot);
    return std::max(common_cell_ * static_cast<double>(cells_), title_room_);
  }

  void choose_labels() {
    for (Panel& panel : out_.panels) {
      panel.label_size = std::clamp(panel.cell * 0.6, kSmallestLabel, kLargestLabel);
      panel.label_step =
          static_cast<int64_t>(std::max(1.0, std::ceil(panel.label_size * 1.15 / panel.cell)));
      shorten_all(panel.row_labels, many_ ? 70 : 130, panel.label_size);
      shorten_all(panel.column_labels, many_ ? 60 : 110, panel.label_size);
      row_label_ = std::max(row_label_, widest(panel.row_labels, panel.label_size));
      row_axis_ |= !panel.map->row_axis.empty() && !many_;
      column_axis_ |= !panel.map->column_axis.empty() && !many_;
    }
    for (Panel& panel : out_.panels) slant_labels(panel);
  }

  /// Panels with cells of one size have labels that stand alike.
  void slant_labels(Panel& panel) {
    double label = 0;
    for (const Panel& other : out_.panels) {
      if (other.cell != panel.cell) continue;
      label = std::max(label, widest(other.column_labels, panel.label_size));
    }
    const double room = panel.cell * static_cast<double>(panel.label_step);
    panel.slant = label <= room - 4                          ? Slant::flat
                  : room >= panel.label_size * 1.4 && !many_ ? Slant::rising
                                                             : Slant::upright;
    if (label == 0) return;
    const double slope = std::sqrt(0.5);
    column_space_ =
        std::max(column_space_, panel.slant == Slant::flat     ? panel.label_size
                                : panel.slant == Slant::rising ? (label + panel.label_size) * slope
                                                               : label);
    if (panel.slant != Slant::rising) return;
    for (size_t i = 0; i < panel.column_labels.size(); ++i) {
      if (static_cast<int64_t>(i) % panel.label_step != 0) continue;
      const double from_right = slot_width(panel) - panel.cell * (static_cast<double>(i) + 0.5);
      const double reach = text_width(panel.column_labels[i], panel.label_size, false) * slope;
      overhang_ = std::max(overhang_, reach + panel.label_size * slope - from_right);
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
    const bool legends = !out_.shared_legend && !many_;
    const double legend = kLegendGap + kLegendBar + kLegendNumbers;
    const double after = legends ? std::max(overhang_, legend) : overhang_;
    const double gap = many_ ? kGridGap : 28;
    title_wrapped();
    const double top = kMargin + static_cast<double>(out_.title.size()) * kTitleLine +
                       (out_.title.empty() ? 0 : 8);
    const double line = out_.title_size + 6;
    double x = 0;
    double y = top;
    double bottom = top;
    for (size_t i = 0; i < out_.panels.size(); ++i) {
      Panel& panel = out_.panels[i];
      const int64_t row = static_cast<int64_t>(i) / columns_;
      const int64_t column = static_cast<int64_t>(i) % columns_;
      if (column == 0) {
        x = kMargin + left;
        if (row > 0) y = bottom + gap;
      }
      const bool own_above = writes_columns(row);
      const double width = slot_width(panel);
      const double slot = width + (edge_only ? 0 : left + after);
      panel.x = x;
      x += slot + gap;
      panel.title_y = y + out_.title_size;
      panel.y = y + (has_titles() ? line : 0) + (own_above ? above : 0);
      panel.title = title_of(panel, many_ ? slot : width + after);
      panel.legend = legends;
      if (!writes_rows(column)) panel.row_labels.clear();
      if (!own_above) panel.column_labels.clear();
      bottom =
          std::max(bottom, panel.y + std::max(panel.height(), legends ? page::kLeastLegend : 0));
      right_ = std::max({right_, panel.x + width + after,
                         panel.x + text_width(panel.title, out_.title_size, true)});
      maps_right_ = std::max(maps_right_, panel.x + width);
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
        std::max(360.0, static_cast<double>(columns_ * cells_) * common_cell_ + row_label_ + 60);
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
  double common_cell_ = 0;
  double title_room_ = 0;
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
