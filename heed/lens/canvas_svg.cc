#include <fmt/format.h>

#include <iterator>

#include "heed/base/base64.h"
#include "heed/base/html.h"
#include "heed/lens/canvas.h"

// Written by hand, not through Cairo: Cairo's SVG holds outlines of letters, and text that is text
// can be searched, copied, read aloud and restyled.

namespace heed {
namespace {

std::string hex(Rgb c) { return fmt::format("#{:02x}{:02x}{:02x}", c.red, c.green, c.blue); }

std::string_view name(Anchor anchor) {
  switch (anchor) {
    case Anchor::start:
      return "start";
    case Anchor::middle:
      return "middle";
    case Anchor::end:
      return "end";
  }
  return "start";
}

// Coordinates to a hundredth of a point, as short as they are.
std::string number(double x) {
  std::string out = fmt::format("{:.2f}", x);
  out.erase(out.find_last_not_of('0') + 1);
  if (out.back() == '.') out.pop_back();
  return out;
}

std::string place(const Box& b) {
  return fmt::format(R"(x="{}" y="{}" width="{}" height="{}")", number(b.x), number(b.y),
                     number(b.width), number(b.height));
}

class SvgCanvas : public Canvas {
 public:
  SvgCanvas(double width, double height, const std::string& title) {
    add(R"(<svg xmlns="http://www.w3.org/2000/svg" width="{0}" height="{1}" )"
        R"(viewBox="0 0 {0} {1}" role="img" font-family="'DejaVu Sans', Verdana, sans-serif">)"
        "\n<title>{2}</title>\n",
        number(width), number(height), html_escaped(title));
  }

  void rectangle(const Box& box, Rgb fill, std::string_view tip) override {
    add(R"(<rect {} fill="{}")", place(box), hex(fill));
    if (tip.empty()) {
      svg_ += "/>\n";
    } else {
      add("><title>{}</title></rect>\n", html_escaped(tip));
    }
  }

  void outline(const Box& box, Rgb color, double line_width) override {
    add("<rect {} fill=\"none\" stroke=\"{}\" stroke-width=\"{}\"/>\n", place(box), hex(color),
        number(line_width));
  }

  void line(const std::vector<Point>& points, Rgb color, double line_width) override {
    svg_ += "<polyline points=\"";
    for (const Point& point : points) add("{},{} ", number(point.x), number(point.y));
    add("\" fill=\"none\" stroke=\"{}\" stroke-width=\"{}\" stroke-linejoin=\"round\"/>\n",
        hex(color), number(line_width));
  }

  void text(double x, double y, std::string_view text, const TextStyle& style) override {
    add(R"(<text x="{}" y="{}" font-size="{}" fill="{}" text-anchor="{}")", number(x), number(y),
        number(style.size), hex(style.color), name(style.anchor));
    if (style.bold) svg_ += R"( font-weight="bold")";
    if (style.degrees != 0) {
      add(R"_( transform="rotate({} {} {})")_", number(-style.degrees), number(x), number(y));
    }
    add(">{}</text>\n", html_escaped(text));
  }

  void image(const Box& box, int64_t rows, int64_t columns,
             const std::vector<Rgb>& pixels) override {
    if (rows == 0 || columns == 0) return;
    add(R"(<image {} preserveAspectRatio="none" style="image-rendering:pixelated" )"
        "href=\"data:image/png;base64,{}\"/>\n",
        place(box), base64(encode_png(rows, columns, pixels)));
  }

  std::string finish() override {
    svg_ += "</svg>\n";
    return std::move(svg_);
  }

 private:
  template <class... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(svg_), format, std::forward<Args>(args)...);
  }
  std::string svg_;
};

}  // namespace

std::unique_ptr<Canvas> svg_canvas(double width, double height, const std::string& title) {
  return std::make_unique<SvgCanvas>(width, height, title);
}

}  // namespace heed
