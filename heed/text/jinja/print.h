#pragma once

#include <string>

#include "heed/text/jinja/value.h"

namespace heed::jinja {

/// Python's str(value): what {{ value }} writes. Undefined is "". Fault for what has no text that
/// would be the same in every run: a generator, a macro.
std::string to_text(const Value& value, Budget& budget);
/// The same as it joins markup: escaped, unless it is markup.
std::string markup_of(const Value& value, Budget& budget);
/// Python's repr(value): as values stand in a printed list.
std::string to_repr(const Value& value, Budget& budget);
/// 1e+16, 0.1, -0.0, inf: the shortest text that reads back as the number.
std::string real_text(double value);

/// How json.dumps writes.
struct JsonStyle {
  bool ensure_ascii = false;
  bool indented = false;
  std::string indent;            // of a level
  std::string between = ", ";    // items
  std::string after_key = ": ";  // and its value
  bool sort_keys = false;
};
/// Fault for what JSON cannot hold (undefined, macros).
std::string to_json(const Value& value, const JsonStyle& style, Budget& budget);

}  // namespace heed::jinja
