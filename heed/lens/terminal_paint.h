#pragma once

#include <string>
#include <string_view>

#include "heed/lens/layout.h"
#include "heed/lens/picture.h"

namespace heed {

/// What cells and words look like in one terminal style.
class TerminalPaint {
 public:
  explicit TerminalPaint(const TerminalStyle& style) : style_(style) {}

  /// A cell `columns` wide: coloured, or filled with a shade; `text` (not wider) on top of it,
  /// which without colours replaces the shade.
  std::string cell(float value, const ValueRange& range, int columns,
                   std::string_view text = {}) const;
  /// Two cells one above the other in one character; needs colours and unicode.
  std::string half_cells(float upper, float lower, const ValueRange& range) const;
  bool has_half_cells() const { return style_.colors != Colors::none && style_.unicode; }

  std::string bold(std::string_view text) const { return wrapped("\033[1m", text); }
  std::string faint(std::string_view text) const { return wrapped("\033[2m", text); }
  /// Lowest value, the run of colours or shades, highest value, and 0 between the shades of two
  /// signs; at most `columns` wide.
  std::string legend(const ValueRange& range, int columns) const;

  const TerminalStyle& style() const { return style_; }

 private:
  std::string wrapped(const char* start, std::string_view text) const;
  std::string color(int base, float value, const ValueRange& range) const;
  std::string_view shade(float value, const ValueRange& range) const;
  /// The cells of so many values from one to another.
  std::string run(float from, float to, const ValueRange& range, int steps) const;
  TerminalStyle style_;
};

/// One map with its words, folded into as many blocks of columns as the width needs.
std::string draw_terminal_map(const HeatMap& map, const TerminalPaint& paint, bool legend);
/// Many maps side by side, a character or half a character a cell.
std::string draw_terminal_grid(const Picture& picture, const TerminalPaint& paint);

/// Adds a line without the spaces at its end.
void add_line(std::string& out, std::string_view line);

}  // namespace heed
