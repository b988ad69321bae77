#pragma once

#include <cstdio>

#include "heed/lens/picture.h"

namespace heed::cli {

/// Whether the stream is a terminal that a person watches.
bool is_terminal(std::FILE* stream);

/// Colours the stream may have: none if it is no terminal, with --no-color, a non-empty NO_COLOR or
/// TERM=dumb; 24-bit where COLORTERM or TERM promise it, else 256.
Colors terminal_colors(std::FILE* stream, bool no_color);

/// Columns of the terminal behind standard output, else COLUMNS, else 80; within [20, 1000].
int terminal_width();

/// Whether the locale's characters are UTF-8.
bool terminal_unicode();

/// Light if COLORFGBG tells of a light background, else dark.
Theme terminal_theme();

/// All of it for pictures on standard output; the caller sets theme and numbers.
TerminalStyle terminal_style(bool no_color);

}  // namespace heed::cli
