#include "heed/lens/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "heed/lens/labels.h"

namespace heed {
namespace {

using namespace page;

constexpr double kCellsAsShapes = 5;  // points; smaller cells are drawn as one image
constexpr double kSmallestNumber = 7;

class Painter {
 public:
  Painter(const Layout& layout, Theme theme, Canvas& canvas)
      : layout_(layout), theme_(theme), colors_(page_colors(theme)), canvas_(canvas) {}

  void run() {
    canvas_.rectangle({0, 0, layout_.width, layout_.height}, colors_.page);
    double y = kMargin + kTitleSize;
    for (const std::string& line : layout_.title) {
      canvas_.text(kMargin, y, line, {.size = kTitleSize, .color = colors_.ink, .bold = true});
      y += kTitleLine;
    }
    for (const Panel& panel : layout_.panels) draw(panel);
    if (layout_.shared_legend && !layout_.panels.empty()) {
      legend(layout_.panels[0].range, layout_.legend_x, layout_.legend_y, layout_.legend_height);
    }
    y = layout_.caption_y;
    for (const std::string& line : layout_.caption) {
      canvas_.text(kMargin, y, line, {.size = kCaptionSize, .color = colors_.faint});
      y += kCaptionLine;
    }
  }

 private:
  void draw(const Panel& panel) {
    canvas_.text(panel.x, panel.title_y, panel.title,
                 {.size = layout_.title_size, .color = colors_.ink, .bold = true});
    if (panel.cell >= kCellsAsShapes) {
      cells(panel);
    } else {
      cells_as_image(panel);
    }
    const double width = panel.width(), height = panel.height();
    canvas_.outline({panel.x, panel.y, width, height}, colors_.line, 0.75);
    marks(panel, width);
    row_labels(panel);
    column_labels(panel);
    axes(panel, width, height);
    if (panel.legend) {
      legend(panel.range, panel.x + width + kLegendGap, panel.y,
             std::clamp(height, page::kLeastLegend, page::kMostLegend));
    }
  }

  std::string tip(const Panel& panel, int64_t r, int64_t c) const {
    const auto label = [](const std::vector<std::string>& labels, int64_t i) {
      return labels.empty() ? std::to_string(i) : clean_label(labels[static_cast<size_t>(i)]);
    };
    return fmt::format("{} → {}: {}", label(panel.map->row_labels, r),
                       label(panel.map->column_labels, c),
                       format_value(panel.values.at({r, c}), 4));
  }

  void cells(const Panel& panel) {
    const double gap = panel.cell >= 10 ? 0.75 : panel.cell >= 7 ? 0.5 : 0;
    const double number = number_size(panel);
    // Hover texts weigh more than the squares themselves: not for a page of many maps.
    const bool tips =
        layout_.panels.size() <= kFewMaps && panel.values.shape() == panel.map->values.shape();
    for (int64_t r = 0; r < panel.values.size(0); ++r) {
      for (int64_t c = 0; c < panel.values.size(1); ++c) {
        const float value = panel.values.at({r, c});
        const Rgb fill = heat_color(value, panel.range, theme_);
        const double x = panel.x + panel.cell * static_cast<double>(c);
        const double y = panel.y + panel.cell * static_cast<double>(r);
        const double side = panel.cell - gap;
        canvas_.rectangle({x + gap / 2, y + gap / 2, side, side}, fill,
                          tips ? tip(panel, r, c) : std::string());
        if (number > 0) {
          canvas_.text(x + panel.cell / 2, y + panel.cell / 2 + number * 0.36,
                       format_value(value, 2),
                       {.size = number, .color = ink_on(fill), .anchor = Anchor::middle});
        }
      }
    }
  }

  // Font size at which every value fits its cell, 0 if that is too small to read.
  double number_size(const Panel& panel) const {
    double widest = 0;
    for (const float value : panel.values.span<const float>()) {
      widest = std::max(widest, text_width(format_value(value, 2), 10, false));
    }
    const double size =
        std::min(panel.cell * 0.32, widest > 0 ? 10 * (panel.cell - 5) / widest : 0);
    return size >= kSmallestNumber ? size : 0;
  }

  void cells_as_image(const Panel& panel) {
    std::vector<Rgb> pixels;
    pixels.reserve(static_cast<size_t>(panel.values.numel()));
    for (const float value : panel.values.span<const float>()) {
      pixels.push_back(heat_color(value, panel.range, theme_));
    }
    canvas_.image({panel.x, panel.y, panel.width(), panel.height()}, panel.values.size(0),
                  panel.values.size(1), pixels);
  }

  bool is_marked(const Panel& panel, int64_t row) const {
    const auto& marked = panel.map->marked_rows;
    return panel.values.size(0) == panel.map->values.size(0) &&
           std::find(marked.begin(), marked.end(), row) != marked.end();
  }

  void marks(const Panel& panel, double width) {
    for (int64_t r = 0; r < panel.values.size(0); ++r) {
      if (!is_marked(panel, r)) continue;
      canvas_.outline({panel.x, panel.y + panel.cell * static_cast<double>(r), width, panel.cell},
                      colors_.mark, panel.cell >= 10 ? 2 : 1);
    }
  }

  void row_labels(const Panel& panel) {
    for (size_t i = 0; i < panel.row_labels.size(); ++i) {
      const auto row = static_cast<int64_t>(i);
      const bool marked = is_marked(panel, row);
      if (row % panel.label_step != 0 && !marked) continue;
      const double y = panel.y + panel.cell * (static_cast<double>(i) + 0.5);
      canvas_.text(panel.x - kLabelGap, y + panel.label_size * 0.36, panel.row_labels[i],
                   {.size = panel.label_size,
                    .color = marked ? colors_.mark : colors_.ink,
                    .anchor = Anchor::end,
                    .bold = marked});
    }
  }

  void column_labels(const Panel& panel) {
    const double y = panel.y - kLabelGap;
    for (size_t i = 0; i < panel.column_labels.size(); ++i) {
      if (static_cast<int64_t>(i) % panel.label_step != 0) continue;
      const double x = panel.x + panel.cell * (static_cast<double>(i) + 0.5);
      TextStyle style{.size = panel.label_size, .color = colors_.ink};
      double shift = 0;  // from the cell's middle to where the base line must start
      if (panel.slant == Slant::flat) {
        style.anchor = Anchor::middle;
      } else {
        style.degrees = panel.slant == Slant::rising ? 45 : 90;
        shift = panel.label_size * (panel.slant == Slant::rising ? 0.2 : 0.36);
      }
      canvas_.text(x + shift, y, panel.column_labels[i], style);
    }
  }

  void axes(const Panel& panel, double width, double height) {
    if (layout_.panels.size() > kFewMaps) return;
    TextStyle style{.size = kAxisSize, .color = colors_.faint, .anchor = Anchor::middle};
    const double above = panel.title_y + (panel.map->title.empty() ? 0 : 6) + kAxisSize;
    if (!panel.map->column_axis.empty()) {
      canvas_.text(panel.x + width / 2, above, clean_label(panel.map->column_axis), style);
    }
    if (!panel.map->row_axis.empty()) {
      style.degrees = 90;
      double widest = 0;
      for (const std::string& label : panel.row_labels) {
        widest = std::max(widest, text_width(label, panel.label_size, false));
      }
      canvas_.text(panel.x - widest - kLabelGap - 6, panel.y + height / 2,
                   clean_label(panel.map->row_axis), style);
    }
  }

  void legend(const ValueRange& range, double x, double y, double height) {
    constexpr int kShades = 128;
    std::vector<Rgb> pixels;
    for (int i = 0; i < kShades; ++i) {
      const float below = (static_cast<float>(i) + 0.5f) / kShades;
      pixels.push_back(
          heat_color(range.highest - below * (range.highest - range.lowest), range, theme_));
    }
    canvas_.image({x, y, kLegendBar, height}, kShades, 1, pixels);
    canvas_.outline({x, y, kLegendBar, height}, colors_.line, 0.75);
    const std::vector<double> ticks = nice_ticks(range, height > 120 ? 5 : 3);
    const double step = ticks.size() > 1 ? ticks[1] - ticks[0] : 1;
    const int digits = std::clamp(static_cast<int>(std::ceil(-std::log10(step) - 1e-9)), 0, 6);
    for (const double tick : ticks) {
      const double at = y + height * (range.highest - tick) / (range.highest - range.lowest);
      canvas_.rectangle({x + kLegendBar, at - 0.4, 3, 0.8}, colors_.faint);
      canvas_.text(x + kLegendBar + 5, at + kAxisSize * 0.36,
                   format_value(static_cast<float>(tick), digits),
                   {.size = kAxisSize, .color = colors_.faint});
    }
  }

  const Layout& layout_;
  Theme theme_;
  const PageColors& colors_;
  Canvas& canvas_;
};

}  // namespace

void draw_page(const Layout& layout, Theme theme, Canvas& canvas) {
  Painter(layout, theme, canvas).run();
}

}  // namespace heed
