#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "heed/text/jinja/value.h"

namespace heed::jinja {

// Python's methods of str on UTF-8. Case is mapped a character at a time (Unicode's simple mapping,
// and ss for sharp s), white space is str.isspace()'s.

std::string upper(std::string_view text);
std::string lower(std::string_view text);
/// The first character upper case, the others lower case.
std::string capitalized(std::string_view text);
/// So for every run of letters.
std::string title_case(std::string_view text);
std::string swapped_case(std::string_view text);

/// Without the characters of `chars` (absent: white space) at its ends.
std::string stripped(std::string_view text, const std::optional<std::string>& chars, bool left,
                     bool right);
/// At every `separator` (absent: at white space, which is never part of the result), at most
/// `most` times (-1: always), from the right if `from_right`. The budget, if there is one, pays for
/// what a part takes beside its bytes.
std::vector<std::string> split(std::string_view text, const std::optional<std::string>& separator,
                               int64_t most, bool from_right, Budget* budget = nullptr);
/// At the ends of lines, which stay if `keep_ends`.
std::vector<std::string> split_lines(std::string_view text, bool keep_ends,
                                     Budget* budget = nullptr);
std::string joined(std::string_view separator, const std::vector<std::string>& parts,
                   Budget& budget);
/// The first `most` (-1: all) of `old` become `fresh`.
std::string replaced(std::string_view text, std::string_view old, std::string_view fresh,
                     int64_t most, Budget& budget);
/// In the middle, at the left (align '<') or right ('>') of `width` characters; fill is one.
std::string aligned(std::string_view text, int64_t width, std::string_view fill, char align,
                    Budget& budget);
/// Whether the text is not empty and all its characters have the property.
bool all_characters(std::string_view text, const std::function<bool(char32_t)>& property);
bool is_letter(char32_t c);
bool is_decimal(char32_t c);
bool is_digit(char32_t c);
bool is_numeric(char32_t c);
bool is_upper_case(std::string_view text);
bool is_lower_case(std::string_view text);
/// Bytes of the first (or last) place of needle from byte `from` on; npos if there is none. In
/// linear time.
size_t find_text(std::string_view text, std::string_view needle, size_t from = 0);

}  // namespace heed::jinja
