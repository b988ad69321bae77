#include "heed/lens/colors.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

namespace heed {
namespace {

struct Lab {  // OKLab
  double l, a, b;
};

Lab operator*(double s, const Lab& c) { return {s * c.l, s * c.a, s * c.b}; }
Lab operator+(const Lab& x, const Lab& y) { return {x.l + y.l, x.a + y.a, x.b + y.b}; }
double distance(const Lab& x, const Lab& y) {
  return std::sqrt((x.l - y.l) * (x.l - y.l) + (x.a - y.a) * (x.a - y.a) +
                   (x.b - y.b) * (x.b - y.b));
}

Lab from_polar(double lightness, double chroma, double degrees) {
  const double radians = degrees * std::numbers::pi / 180;
  return {lightness, chroma * std::cos(radians), chroma * std::sin(radians)};
}

// OKLab to linear sRGB and back: the matrices of Ottosson, "A perceptual color space for image
// processing" (2020).
std::array<double, 3> to_linear(const Lab& c) {
  const double l = std::pow(c.l + 0.3963377774 * c.a + 0.2158037573 * c.b, 3);
  const double m = std::pow(c.l - 0.1055613458 * c.a - 0.0638541728 * c.b, 3);
  const double s = std::pow(c.l - 0.0894841775 * c.a - 1.2914855480 * c.b, 3);
  return {4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s,
          -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
          -0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s};
}

uint8_t encode(double linear) {
  const double x = std::clamp(linear, 0.0, 1.0);
  const double s = x <= 0.0031308 ? 12.92 * x : 1.055 * std::pow(x, 1 / 2.4) - 0.055;
  return static_cast<uint8_t>(std::lround(s * 255));
}

double decode(uint8_t channel) {
  const double s = channel / 255.0;
  return s <= 0.04045 ? s / 12.92 : std::pow((s + 0.055) / 1.055, 2.4);
}

// The map as a path through OKLab, dark to light (lightness, chroma, hue): ink over plum, coral and
// sand to paper. Chosen so that both ends nearly vanish into a page of their theme.
const std::array<Lab, 7>& path() {
  static const std::array<Lab, 7> points = {
      from_polar(0.190, 0.045, 285), from_polar(0.340, 0.130, 300), from_polar(0.480, 0.180, 340),
      from_polar(0.620, 0.190, 15),  from_polar(0.760, 0.150, 50),  from_polar(0.880, 0.080, 75),
      from_polar(0.975, 0.012, 85)};
  return points;
}

// Catmull-Rom spline through the path, the ends mirrored.
Lab along_path(double t) {
  const auto& p = path();
  const size_t last = p.size() - 1;
  const double x = t * static_cast<double>(last);
  const size_t i = std::min(static_cast<size_t>(x), last - 1);
  const double f = x - static_cast<double>(i);
  const Lab before = i > 0 ? p[i - 1] : 2 * p[0] + -1 * p[1];
  const Lab after = i + 2 <= last ? p[i + 2] : 2 * p[last] + -1 * p[last - 1];
  return 0.5 * (2 * p[i] + f * (p[i + 1] + -1 * before) +
                f * f * (2 * before + -5 * p[i] + 4 * p[i + 1] + -1 * after) +
                f * f * f * (3 * p[i] + -1 * before + -3 * p[i + 1] + after));
}

constexpr int kSteps = 256;

// Colours at equal distances along the path, so that equal steps in value look equal.
std::array<Rgb, kSteps> make_table() {
  constexpr int kFine = 4096;
  std::array<double, kFine + 1> length{};
  Lab previous = along_path(0);
  for (int i = 1; i <= kFine; ++i) {
    const Lab here = along_path(static_cast<double>(i) / kFine);
    length[static_cast<size_t>(i)] = length[static_cast<size_t>(i) - 1] + distance(previous, here);
    previous = here;
  }
  std::array<Rgb, kSteps> table;
  for (int i = 0; i < kSteps; ++i) {
    const double wanted = length.back() * i / (kSteps - 1);
    const auto at = std::lower_bound(length.begin(), length.end(), wanted) - length.begin();
    const auto c = to_linear(along_path(static_cast<double>(at) / kFine));
    table[static_cast<size_t>(i)] = {encode(c[0]), encode(c[1]), encode(c[2])};
  }
  return table;
}

}  // namespace

Rgb heat_color(float value, Theme theme) {
  static const std::array<Rgb, kSteps> table = make_table();
  if (std::isnan(value)) return missing_color(theme);
  const float up = std::clamp(value, 0.0f, 1.0f);
  const float lightness = theme == Theme::dark ? up : 1.0f - up;
  return table[static_cast<size_t>(std::lround(lightness * (kSteps - 1)))];
}

Rgb missing_color(Theme theme) {
  return theme == Theme::dark ? Rgb{58, 58, 62} : Rgb{214, 214, 218};
}

double lightness(Rgb color) {
  const double r = decode(color.red);
  const double g = decode(color.green);
  const double b = decode(color.blue);
  return 0.2104542553 * std::cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b) +
         0.7936177850 * std::cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b) -
         0.0040720468 * std::cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
}

Rgb ink_on(Rgb background) {
  return lightness(background) > 0.64 ? Rgb{24, 22, 32} : Rgb{250, 248, 244};
}

int ansi256(Rgb color) {
  // 16..231 is a 6x6x6 cube with these levels, 232..255 a grey ramp 8, 18, ..., 238.
  constexpr std::array<int, 6> levels = {0, 95, 135, 175, 215, 255};
  const auto square = [](int x) { return x * x; };
  const auto off = [&](int r, int g, int b) {
    return square(r - color.red) + square(g - color.green) + square(b - color.blue);
  };
  int best = 16;
  int best_off = off(0, 0, 0);
  const auto offer = [&](int index, int r, int g, int b) {
    if (off(r, g, b) < best_off) {
      best = index;
      best_off = off(r, g, b);
    }
  };
  for (int i = 0; i < 216; ++i) {
    offer(16 + i, levels[static_cast<size_t>(i / 36)], levels[static_cast<size_t>(i / 6 % 6)],
          levels[static_cast<size_t>(i % 6)]);
  }
  for (int i = 0; i < 24; ++i) offer(232 + i, 8 + 10 * i, 8 + 10 * i, 8 + 10 * i);
  return best;
}

const PageColors& page_colors(Theme theme) {
  static const PageColors light = {
      {255, 255, 255}, {26, 24, 34}, {98, 96, 108}, {200, 198, 206}, {0, 110, 200}};
  static const PageColors dark = {
      {18, 17, 24}, {236, 234, 240}, {164, 161, 174}, {74, 72, 84}, {110, 190, 255}};
  return theme == Theme::dark ? dark : light;
}

}  // namespace heed
