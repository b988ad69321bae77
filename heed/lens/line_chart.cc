#include "heed/lens/line_chart.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/message.h"
#include "heed/lens/canvas.h"
#include "heed/lens/colors.h"
#include "heed/lens/labels.h"

namespace heed {
namespace {

constexpr double kWidth = 560, kHeight = 340;
constexpr Box kPlot{.x = 64, .y = 44, .width = 476, .height = 240};
constexpr double kSmall = 10;

/// Okabe and Ito's colours, which people with any colour vision tell apart; the last reads on both
/// pages.
constexpr std::array<Rgb, 6> kSeriesColors = {
    {{0, 114, 178}, {213, 94, 0}, {0, 158, 115}, {204, 121, 167}, {230, 159, 0}, {128, 128, 128}}};

struct Range {
  double lowest = std::numeric_limits<double>::infinity();
  double highest = -std::numeric_limits<double>::infinity();

  void take(double value) {
    lowest = std::min(lowest, value);
    highest = std::max(highest, value);
  }
  /// 0 to 1 inside the range.
  double share(double value) const {
    return highest > lowest ? (value - lowest) / (highest - lowest) : 0.5;
  }
};

/// 1, 2 or 5 times a power of ten, so that about `count` of them fill the range.
double tick_step(const Range& range, double count) {
  const double rough = std::max((range.highest - range.lowest) / count, 1e-12);
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= rough) return factor * power;
  }
  return 10 * power;
}

class ChartDrawing {
 public:
  ChartDrawing(const LineChart& chart, Theme theme, Canvas& canvas)
      : chart_(chart), colors_(page_colors(theme)), canvas_(canvas) {
    for (const LineChart::Series& series : chart.series) {
      for (size_t i = 0; i < series.x.size(); ++i) {
        if (!std::isfinite(series.y[i])) continue;
        x_.take(series.x[i]);
        y_.take(series.y[i]);
      }
    }
    if (!(x_.lowest <= x_.highest)) {
      throw Error(ErrorCode::invalid_argument, "chart: there is no number to draw");
    }
  }

  void draw() const {
    canvas_.rectangle({0, 0, kWidth, kHeight}, colors_.page);
    canvas_.text(kPlot.x, 24, clean_label(chart_.title),
                 {.size = 13, .color = colors_.ink, .bold = true});
    axes();
    double name_x = kPlot.x;
    for (size_t i = 0; i < chart_.series.size(); ++i) {
      const LineChart::Series& series = chart_.series[i];
      const Rgb color = kSeriesColors.at(i % kSeriesColors.size());
      lines(series, color);
      const std::string name = clean_label(series.name);
      canvas_.text(name_x, 38, name, {.size = kSmall, .color = color});
      name_x += text_width(name, kSmall, false) + 16;
    }
  }

 private:
  Point place(double x, double y) const {
    return {kPlot.x + x_.share(x) * kPlot.width, kPlot.y + (1 - y_.share(y)) * kPlot.height};
  }

  void axes() const {
    const TextStyle faint{.size = kSmall, .color = colors_.faint};
    TextStyle under = faint, beside = faint;
    under.anchor = Anchor::middle;
    beside.anchor = Anchor::end;
    const double y_step = tick_step(y_, 5), x_step = tick_step(x_, 6);
    for (double y = std::ceil(y_.lowest / y_step) * y_step; y <= y_.highest; y += y_step) {
      const Point at = place(x_.lowest, y);
      canvas_.line({at, {kPlot.x + kPlot.width, at.y}}, colors_.line, 0.5);
      canvas_.text(at.x - 6, at.y + 4, fmt::format("{:.4g}", y), beside);
    }
    const double bottom = kPlot.y + kPlot.height;
    for (double x = std::ceil(x_.lowest / x_step) * x_step; x <= x_.highest; x += x_step) {
      canvas_.text(place(x, y_.lowest).x, bottom + 16, fmt::format("{:.5g}", x), under);
    }
    canvas_.line({{kPlot.x, bottom}, {kPlot.x + kPlot.width, bottom}}, colors_.line, 1);
    canvas_.text(kPlot.x + kPlot.width / 2, bottom + 36, clean_label(chart_.x_axis), under);
    under.degrees = 90;
    canvas_.text(16, kPlot.y + kPlot.height / 2, clean_label(chart_.y_axis), under);
  }

  void lines(const LineChart::Series& series, Rgb color) const {
    std::vector<Point> points;
    for (size_t i = 0; i < series.x.size(); ++i) {
      if (std::isfinite(series.y[i])) points.push_back(place(series.x[i], series.y[i]));
      const bool ends = !std::isfinite(series.y[i]) || i + 1 == series.x.size();
      if (ends && points.size() > 1) canvas_.line(points, color, 1.5);
      if (ends && points.size() == 1) {
        canvas_.rectangle({points[0].x - 2, points[0].y - 2, 4, 4}, color);
      }
      if (ends) points.clear();
    }
  }

  const LineChart& chart_;
  const PageColors& colors_;
  Canvas& canvas_;
  Range x_;
  Range y_;
};

std::unique_ptr<Canvas> canvas_for(const std::filesystem::path& path, const std::string& title) {
  if (path.extension() == ".png") return png_canvas(kWidth, kHeight);
  if (path.extension() == ".svg") return svg_canvas(kWidth, kHeight, title);
  if (path.extension() == ".pdf") return pdf_canvas(kWidth, kHeight, title);
  throw Error(
      ErrorCode::invalid_argument,
      fmt::format("chart {}: the ending must be .png, .svg or .pdf", in_quotes(path.string())));
}

}  // namespace

void save_chart(const LineChart& chart, const std::filesystem::path& path, Theme theme) {
  const std::unique_ptr<Canvas> canvas = canvas_for(path, clean_label(chart.title));
  ChartDrawing(chart, theme, *canvas).draw();
  write_file(path, canvas->finish());
}

}  // namespace heed
