#include "heed/lens/line_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/message.h"
#include "heed/base/paths.h"
#include "heed/lens/canvas.h"
#include "heed/lens/colors.h"
#include "heed/lens/labels.h"

namespace heed {
namespace {

constexpr double kWidth = 560, kHeight = 340;
constexpr Box kPlot{.x = 64, .y = 44, .width = 476, .height = 240};
constexpr double kSmall = 10;
constexpr double kSeen = 2.5;  // of a line on both sides of one that lies on it

/// Okabe and Ito's colours, which people with any colour vision tell apart; the last reads on both
/// pages.
constexpr std::array<Rgb, 6> kSeriesColors = {
    {{0, 114, 178}, {213, 94, 0}, {0, 158, 115}, {204, 121, 167}, {230, 159, 0}, {128, 128, 128}}};

/// From numbers to places along a side of the plot.
class Axis {
 public:
  explicit Axis(bool log) : log_(log) {}

  void take(double value) {
    lowest_ = std::min(lowest_, measure(value));
    highest_ = std::max(highest_, measure(value));
  }
  bool has(double value) const { return std::isfinite(measure(value)); }
  bool empty() const { return !(lowest_ <= highest_); }
  /// 0 to 1 along the axis.
  double share(double value) const {
    return highest_ > lowest_ ? (measure(value) - lowest_) / (highest_ - lowest_) : 0.5;
  }
  /// Round numbers along the axis, about `count` of them.
  std::vector<double> ticks(double count) const { return log_ ? factors() : steps(count); }

 private:
  double measure(double value) const { return log_ ? std::log10(value) : value; }

  /// Multiples of 1, 2 or 5 times a power of ten.
  std::vector<double> steps(double count) const {
    // of a single value too, a step that moves it
    const double rough = std::max({(highest_ - lowest_) / count, 1e-9 * std::abs(highest_), 1e-12});
    const double power = std::pow(10, std::floor(std::log10(rough)));
    double step = 10 * power;
    for (const double factor : {5.0, 2.0, 1.0}) {
      if (factor * power >= rough) step = factor * power;
    }
    std::vector<double> found;
    for (double i = std::ceil(lowest_ / step); i * step <= highest_; ++i) {
      found.push_back(i * step + 0.0);  // which makes -0 a 0
    }
    return found;
  }

  /// Powers of ten, and 2 and 5 times them where there is room.
  std::vector<double> factors() const {
    constexpr double kDecadesWithMore = 2.5, kSlack = 1e-9;
    std::vector<double> found;
    for (double power = std::floor(lowest_); power <= highest_; ++power) {
      for (const double factor : {1.0, 2.0, 5.0}) {
        if (factor > 1 && highest_ - lowest_ > kDecadesWithMore) break;
        const double at = power + std::log10(factor);
        if (at >= lowest_ - kSlack && at <= highest_ + kSlack) {
          found.push_back(factor * std::pow(10, power));
        }
      }
    }
    return found;
  }

  bool log_;
  double lowest_ = std::numeric_limits<double>::infinity();
  double highest_ = -std::numeric_limits<double>::infinity();
};

class ChartDrawing {
 public:
  /// corner: the chart's upper left one on the page.
  ChartDrawing(const LineChart& chart, Theme theme, Point corner, Canvas& canvas)
      : chart_(chart),
        colors_(page_colors(theme)),
        corner_(corner),
        plot_{corner.x + kPlot.x, corner.y + kPlot.y, kPlot.width, kPlot.height},
        canvas_(canvas),
        x_(chart.log_x),
        y_(chart.log_y) {
    for (const LineChart::Series& series : chart.series) {
      for (size_t i = 0; i < series.x.size(); ++i) {
        if (!drawn(series, i)) continue;
        x_.take(series.x[i]);
        y_.take(series.y[i]);
      }
    }
    if (x_.empty()) {
      throw Error(ErrorCode::invalid_argument, "chart: there is no number to draw");
    }
  }

  void draw() const {
    canvas_.text(plot_.x, corner_.y + 24, clean_label(chart_.title),
                 {.size = 13, .color = colors_.ink, .bold = true});
    axes();
    double name_x = plot_.x;
    for (size_t i = 0; i < chart_.series.size(); ++i) {
      const LineChart::Series& series = chart_.series[i];
      const Rgb color = kSeriesColors.at(i % kSeriesColors.size());
      lines(series, color, 1.5 + kSeen * static_cast<double>(over(i)));
      const std::string name = clean_label(series.name);
      canvas_.text(name_x, corner_.y + 38, name, {.size = kSmall, .color = color});
      name_x += text_width(name, kSmall, false) + 16;
    }
  }

 private:
  bool drawn(const LineChart::Series& series, size_t i) const {
    return x_.has(series.x[i]) && y_.has(series.y[i]);
  }
  double across(double x) const { return plot_.x + x_.share(x) * plot_.width; }
  double down(double y) const { return plot_.y + (1 - y_.share(y)) * plot_.height; }

  void axes() const {
    const TextStyle faint{.size = kSmall, .color = colors_.faint};
    TextStyle under = faint, beside = faint;
    under.anchor = Anchor::middle;
    beside.anchor = Anchor::end;
    const double right = plot_.x + plot_.width, bottom = plot_.y + plot_.height;
    for (const double y : y_.ticks(5)) {
      canvas_.line({{plot_.x, down(y)}, {right, down(y)}}, colors_.line, 0.5);
      canvas_.text(plot_.x - 6, down(y) + 4, fmt::format("{:.4g}", y), beside);
    }
    for (const double x : x_.ticks(6)) {
      canvas_.text(across(x), bottom + 16, fmt::format("{:.5g}", x), under);
    }
    canvas_.line({{plot_.x, bottom}, {right, bottom}}, colors_.line, 1);
    canvas_.text(plot_.x + plot_.width / 2, bottom + 36, clean_label(chart_.x_axis), under);
    under.degrees = 90;
    canvas_.text(corner_.x + 16, plot_.y + plot_.height / 2, clean_label(chart_.y_axis), under);
  }

  /// How many of the later series run along series i somewhere and would hide it there.
  int64_t over(size_t i) const {
    const auto& all = chart_.series;
    return std::count_if(all.begin() + static_cast<std::ptrdiff_t>(i) + 1, all.end(),
                         [&](const LineChart::Series& later) { return along(all[i], later); });
  }

  /// Whether two points of `a` in a row are points of `b` too, by the eye.
  bool along(const LineChart::Series& a, const LineChart::Series& b) const {
    int same = 0;
    for (size_t i = 0; i < a.x.size() && same < 2; ++i) {
      const auto at = std::lower_bound(b.x.begin(), b.x.end(), a.x[i]);
      const auto j = static_cast<size_t>(at - b.x.begin());
      const bool both = at != b.x.end() && *at == a.x[i] && drawn(a, i) && drawn(b, j);
      same = both && std::abs(down(a.y[i]) - down(b.y[j])) < 1 ? same + 1 : 0;
    }
    return same == 2;
  }

  void lines(const LineChart::Series& series, Rgb color, double width) const {
    std::vector<Point> points;
    for (size_t i = 0; i < series.x.size(); ++i) {
      const bool here = drawn(series, i);
      if (here) points.push_back({across(series.x[i]), down(series.y[i])});
      const bool ends = !here || i + 1 == series.x.size();
      if (ends && points.size() > 1) canvas_.line(points, color, width);
      if (ends && points.size() == 1) {
        canvas_.rectangle({points[0].x - 2, points[0].y - 2, 4, 4}, color);
      }
      if (ends) points.clear();
    }
  }

  const LineChart& chart_;
  const PageColors& colors_;
  Point corner_;
  Box plot_;
  Canvas& canvas_;
  Axis x_;
  Axis y_;
};

std::unique_ptr<Canvas> canvas_for(const std::filesystem::path& path, Point size,
                                   const std::string& title) {
  const std::string ending = ending_of(path);
  if (ending == ".png") return png_canvas(size.x, size.y);
  if (ending == ".svg") return svg_canvas(size.x, size.y, title);
  if (ending == ".pdf") return pdf_canvas(size.x, size.y, title);
  throw Error(
      ErrorCode::invalid_argument,
      fmt::format("chart {}: the ending must be .png, .svg or .pdf", in_quotes(path.string())));
}

}  // namespace

void save_chart(const LineChart& chart, const std::filesystem::path& path, Theme theme) {
  save_charts({chart}, path, theme);
}

void save_charts(const std::vector<LineChart>& charts, const std::filesystem::path& path,
                 Theme theme) {
  if (charts.empty()) throw Error(ErrorCode::invalid_argument, "chart: there is none to draw");
  const size_t columns = std::min<size_t>(charts.size(), 2);
  const size_t rows = (charts.size() + columns - 1) / columns;
  const Point size{static_cast<double>(columns) * kWidth, static_cast<double>(rows) * kHeight};
  const std::unique_ptr<Canvas> canvas = canvas_for(path, size, clean_label(charts[0].title));
  canvas->rectangle({0, 0, size.x, size.y}, page_colors(theme).page);
  for (size_t i = 0; i < charts.size(); ++i) {
    const size_t row = i / columns;
    const Point corner{static_cast<double>(i % columns) * kWidth,
                       static_cast<double>(row) * kHeight};
    ChartDrawing(charts[i], theme, corner, *canvas).draw();
  }
  write_file(path, canvas->finish());
}

}  // namespace heed
