#include "heed/lens/terminal_paint.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "heed/lens/colors.h"
#include "heed/lens/labels.h"

namespace heed {
namespace {

constexpr int kForeground = 38;
constexpr int kBackground = 48;
constexpr const char* kReset = "\033[0m";
constexpr std::string_view kBarOf[] = {" ", "░", "▒", "▓", "█"};
constexpr std::string_view kAscii = " .:-=+*#%@";
constexpr std::string_view kSignedBarOf[] = {"≣", "≡", "=", "-", " ", "░", "▒", "▓", "█"};
constexpr std::string_view kSignedAscii = "Oo=- .+#@";

std::string escape(Colors colors, int base, Rgb c) {
  return colors == Colors::truecolor
             ? fmt::format("\033[{};2;{};{};{}m", base, c.red, c.green, c.blue)
             : fmt::format("\033[{};5;{}m", base, ansi256(c));
}

float scaled(float value, const ValueRange& range) {
  return (value - range.lowest) / (range.highest - range.lowest);
}

}  // namespace

std::string TerminalPaint::color(int base, float value, const ValueRange& range) const {
  return escape(style_.colors, base, heat_color(value, range, style_.theme));
}

std::string_view TerminalPaint::shade(float value, const ValueRange& range) const {
  if (std::isnan(value)) return "?";
  const float t = std::clamp(scaled(value, range), 0.0f, 1.0f);
  const auto level = [t](size_t levels) {
    return std::min(levels - 1, static_cast<size_t>(t * static_cast<float>(levels)));
  };
  const auto one = [&](std::span<const std::string_view> bars, std::string_view ascii) {
    return style_.unicode ? bars[level(bars.size())] : ascii.substr(level(ascii.size()), 1);
  };
  return range.has_signs() ? one(kSignedBarOf, kSignedAscii) : one(kBarOf, kAscii);
}

std::string TerminalPaint::cell(float value, const ValueRange& range, int columns,
                                std::string_view text) const {
  if (style_.colors == Colors::none) {
    if (!text.empty()) return pad_center(text, columns, style_.unicode);
    std::string out;
    const int filled = columns >= 4 ? columns - 1 : columns;  // a gap keeps wide shades apart
    for (int i = 0; i < filled; ++i) out += shade(value, range);
    return filled < columns ? out + " " : out;
  }
  std::string out = color(kBackground, value, range);
  if (!text.empty()) {
    const Rgb ink = ink_on(heat_color(value, range, style_.theme));
    out += escape(style_.colors, kForeground, ink);
  }
  return out + pad_center(text, columns, style_.unicode) + kReset;
}

std::string TerminalPaint::half_cells(float upper, float lower, const ValueRange& range) const {
  return color(kForeground, upper, range) + color(kBackground, lower, range) + "▀" + kReset;
}

std::string TerminalPaint::wrapped(const char* start, std::string_view text) const {
  if (style_.colors == Colors::none || text.empty()) return std::string(text);
  return start + std::string(text) + kReset;
}

std::string TerminalPaint::legend(const ValueRange& range, int columns) const {
  const std::string low = format_value(range.lowest, 2);
  const std::string high = format_value(range.highest, 2);
  const int room = columns - static_cast<int>(low.size() + high.size()) - 2;
  const bool colors = style_.colors != Colors::none;
  if (range.has_signs()) {
    const int side = std::min((room - 3) / 2, colors ? 12 : 4);
    if (side < 1) return "";
    return faint(low) + " " + run(range.lowest, 0, range, side) + faint(" 0 ") +
           run(0, range.highest, range, side) + " " + faint(high);
  }
  const int steps = std::min(room, colors ? 24 : style_.unicode ? 5 : 10);
  if (steps < 2) return "";
  return faint(low) + " " + run(range.lowest, range.highest, range, steps) + " " + faint(high);
}

std::string TerminalPaint::run(float from, float to, const ValueRange& range, int steps) const {
  std::string out;
  for (int i = 0; i < steps; ++i) {
    const float share = (static_cast<float>(i) + 0.5f) / static_cast<float>(steps);
    out += cell(from + share * (to - from), range, 1);
  }
  return out;
}

void add_line(std::string& out, std::string_view line) {
  const size_t end = line.find_last_not_of(' ');
  out += line.substr(0, end == std::string_view::npos ? 0 : end + 1);
  out += '\n';
}

}  // namespace heed
