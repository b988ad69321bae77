#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "heed/lens/colors.h"

namespace heed {

struct Box {  // in points, y downwards
  double x = 0;
  double y = 0;
  double width = 0;
  double height = 0;
};

enum class Anchor { start, middle, end };

struct Point {  // in points, y downwards
  double x = 0;
  double y = 0;
};

struct TextStyle {
  double size = 11;
  Rgb color;
  Anchor anchor = Anchor::start;
  double degrees = 0;  // counter-clockwise around the anchor
  bool bold = false;
};

/// Where a page is drawn: one of the file formats.
class Canvas {
 public:
  virtual ~Canvas() = default;
  /// `tip` is shown on hover where the format can.
  virtual void rectangle(const Box& box, Rgb fill, std::string_view tip = {}) = 0;
  virtual void outline(const Box& box, Rgb color, double line_width) = 0;
  /// From each point straight to the next.
  virtual void line(const std::vector<Point>& points, Rgb color, double line_width) = 0;
  /// (x, y) is the anchor on the base line. The text is clean (labels.h).
  virtual void text(double x, double y, std::string_view text, const TextStyle& style) = 0;
  /// rows x columns colours, row by row, each a sharp-edged cell.
  virtual void image(const Box& box, int64_t rows, int64_t columns,
                     const std::vector<Rgb>& pixels) = 0;
  /// The finished file's bytes; nothing may be drawn after it.
  virtual std::string finish() = 0;
};

/// Two pixels a point.
std::unique_ptr<Canvas> png_canvas(double width, double height);
std::unique_ptr<Canvas> pdf_canvas(double width, double height, const std::string& title);
std::unique_ptr<Canvas> svg_canvas(double width, double height, const std::string& title);

/// A PNG file of exactly these pixels.
std::string encode_png(int64_t rows, int64_t columns, const std::vector<Rgb>& pixels);
/// Width in points in the font of all pictures, DejaVu Sans.
double text_width(std::string_view text, double size, bool bold);

}  // namespace heed
