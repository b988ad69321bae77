#include "cli/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string_view>

namespace heed::cli {
namespace {

constexpr int kDefaultWidth = 80;

/// The variable's value, empty if unset.
std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace

bool is_terminal(std::FILE* stream) { return isatty(fileno(stream)) == 1; }

Colors terminal_colors(std::FILE* stream, bool no_color) {
  const std::string_view term = environment("TERM");
  if (no_color || !environment("NO_COLOR").empty() || term.empty() || term == "dumb" ||
      !is_terminal(stream)) {
    return Colors::none;
  }
  const std::string_view depth = environment("COLORTERM");
  const bool direct = depth == "truecolor" || depth == "24bit" || contains(term, "direct");
  return direct ? Colors::truecolor : Colors::ansi256;
}

int terminal_width() {
  int width = 0;
  winsize size = {};
  if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) width = size.ws_col;
  if (width == 0)
    width = std::atoi(environment("COLUMNS").data() ? environment("COLUMNS").data() : "");
  return width <= 0 ? kDefaultWidth : std::clamp(width, 20, 1000);
}

bool terminal_unicode() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {  // the first one set decides
    const std::string_view value = environment(name);
    if (value.empty()) continue;
    return contains(value, "UTF-8") || contains(value, "utf8") || contains(value, "UTF8") ||
           contains(value, "utf-8");
  }
  return false;
}

Theme terminal_theme() {
  // "foreground;background" as xterm's sixteen colours: 7 and 9 to 15 are light ones.
  const std::string_view colors = environment("COLORFGBG");
  const std::string_view background = colors.substr(colors.rfind(';') + 1);
  const bool bright = background == "7" || background == "9" || background.size() == 2;
  return !background.empty() && bright ? Theme::light : Theme::dark;
}

TerminalStyle terminal_style(bool no_color) {
  TerminalStyle style;
  style.colors = terminal_colors(stdout, no_color);
  style.width = terminal_width();
  style.unicode = terminal_unicode();
  return style;
}

}  // namespace heed::cli
