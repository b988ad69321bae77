#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace heed {

/// Text that is safe to draw or to send to a terminal: invalid UTF-8 becomes U+FFFD, control and
/// format characters (escape sequences, line ends, direction marks) become a space or vanish.
std::string clean_label(std::string_view text);

/// A clean label without spaces around it: byte-level pieces hold the one before their word.
std::string word_label(std::string_view text);

/// A clean label that ends as a sentence does, with a full stop where it had no sign of its own.
std::string as_sentence(std::string_view text);

/// A clean label in which spaces and line ends are seen, for a token.
std::string visible_token(std::string_view text);

/// Columns that a clean label takes on a terminal: 2 for wide characters, 0 for combining marks.
int display_width(std::string_view text);

/// What a reader sees as one character each: a letter with its marks, an emoji sequence.
std::vector<std::string> graphemes(std::string_view text);

/// Width of a text in whatever unit a medium counts: columns, points.
using Measure = std::function<double(std::string_view)>;

/// The text cut to at most `limit` with an ellipsis at the end, if it was longer.
std::string shorten(std::string_view text, double limit, const Measure& measure,
                    std::string_view ellipsis = "…");
/// The same in terminal columns ("…", or "~" without unicode).
std::string shorten(std::string_view text, int columns, bool unicode = true);

/// The label shortened or filled with spaces to exactly `columns`.
std::string pad_right(std::string_view text, int columns, bool unicode = true);
std::string pad_left(std::string_view text, int columns, bool unicode = true);
std::string pad_center(std::string_view text, int columns, bool unicode = true);

/// A value for people, with that many digits after the point (none from 1000 up); "-" for what is
/// not a number, and no "-0.00".
std::string format_value(float value, int digits);

/// Runs between edges, n of n + 1, by their first and last number: "0-15"; a run of one by its own
/// label, if there are any, or its number.
std::vector<std::string> run_labels(const std::vector<int64_t>& edges,
                                    std::vector<std::string> labels = {});

/// Text broken at spaces into lines of at most `limit`; longer words are shortened.
std::vector<std::string> wrap(std::string_view text, double limit, const Measure& measure,
                              std::string_view ellipsis = "…");
/// The same in terminal columns, shortened as shorten() does.
std::vector<std::string> wrap(std::string_view text, int columns, bool unicode);

}  // namespace heed
