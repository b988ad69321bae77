#include "heed/lens/colors.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <vector>

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
const std::vector<Lab>& heat_path() {
  static const std::vector<Lab> points = {
      from_polar(0.190, 0.045, 285), from_polar(0.340, 0.130, 300), from_polar(0.480, 0.180, 340),
      from_polar(0.620, 0.190, 15),  from_polar(0.760, 0.150, 50),  from_polar(0.880, 0.080, 75),
      from_polar(0.975, 0.012, 85)};
  return points;
}

// From 0, which nearly vanishes into the page, to the last red or blue: the same lightness at the
// same distance from 0, and ends that nobody takes for each other.
std::vector<Lab> signed_path(bool positive, Theme theme) {
  const bool dark = theme == Theme::dark;
  const std::array<double, 6> lightness =
      dark ? std::array{0.200, 0.340, 0.480, 0.620, 0.750, 0.870}
           : std::array{0.975, 0.870, 0.750, 0.620, 0.490, 0.370};
  constexpr std::array kRed = {0.075, 0.125, 0.165, 0.160, 0.130};  // chroma
  constexpr std::array kBlue = {0.060, 0.100, 0.130, 0.140, 0.120};
  std::vector<Lab> points{dark ? from_polar(lightness[0], 0.012, 285)
                               : from_polar(lightness[0], 0.008, 85)};
  for (size_t i = 1; i < lightness.size(); ++i) {
    // the lightest and the darkest hold less colour, in either theme
    const size_t depth = dark ? lightness.size() - 1 - i : i - 1;
    points.push_back(
        positive
            ? from_polar(lightness[i], kRed[depth], 62.0 - 10.0 * static_cast<double>(depth))
            : from_polar(lightness[i], kBlue[depth], 218.0 + 11.0 * static_cast<double>(depth)));
  }
  return points;
}

// Catmull-Rom spline through the path, the ends mirrored.
Lab along_path(const std::vector<Lab>& p, double t) {
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

// Colours at equal distances along the path, so that equal steps in value look equal.
std::vector<Rgb> make_table(const std::vector<Lab>& path, int steps) {
  constexpr int kFine = 4096;
  std::array<double, kFine + 1> length{};
  Lab previous = along_path(path, 0);
  for (int i = 1; i <= kFine; ++i) {
    const Lab here = along_path(path, static_cast<double>(i) / kFine);
    length[static_cast<size_t>(i)] = length[static_cast<size_t>(i) - 1] + distance(previous, here);
    previous = here;
  }
  std::vector<Rgb> table;
  for (int i = 0; i < steps; ++i) {
    const double wanted = length.back() * i / (steps - 1);
    const auto at = std::lower_bound(length.begin(), length.end(), wanted) - length.begin();
    const auto c = to_linear(along_path(path, static_cast<double>(at) / kFine));
    table.push_back({encode(c[0]), encode(c[1]), encode(c[2])});
  }
  return table;
}

// The entry of a table from 0 to 1.
Rgb pick(const std::vector<Rgb>& table, float value) {
  const float last = static_cast<float>(table.size() - 1);
  return table[static_cast<size_t>(std::lround(std::clamp(value, 0.0f, 1.0f) * last))];
}

}  // namespace

Rgb heat_color(float value, Theme theme) {
  static const std::vector<Rgb> table = make_table(heat_path(), 256);
  if (std::isnan(value)) return missing_color(theme);
  return pick(table, theme == Theme::dark ? value : 1.0f - value);
}

Rgb signed_color(float value, Theme theme) {
  const auto arm = [](bool positive, Theme of) {
    return make_table(signed_path(positive, of), kSignedSteps + 1);
  };
  static const std::array<std::vector<Rgb>, 4> tables = {
      arm(false, Theme::light), arm(true, Theme::light), arm(false, Theme::dark),
      arm(true, Theme::dark)};
  if (std::isnan(value)) return missing_color(theme);
  return pick(tables[(theme == Theme::dark ? 2 : 0) + (value > 0 ? 1 : 0)], std::abs(value));
}

Rgb heat_color(float value, const ValueRange& range, Theme theme) {
  if (range.has_signs()) return signed_color(value / range.highest, theme);
  return heat_color((value - range.lowest) / (range.highest - range.lowest), theme);
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
