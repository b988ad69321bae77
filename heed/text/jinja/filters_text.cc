// Filters that make texts.

#include <fmt/format.h>

#include <cctype>

#include "heed/base/html.h"
#include "heed/text/jinja/arguments.h"
#include "heed/text/jinja/filters.h"
#include "heed/text/jinja/operators.h"
#include "heed/text/jinja/print.h"
#include "heed/text/jinja/text_ops.h"
#include "heed/text/unicode.h"

namespace heed::jinja {
namespace {

std::optional<std::string> optional_text(const Bound& bound, size_t parameter) {
  if (bound.value(parameter).is_none()) return std::nullopt;
  return bound.text(parameter, "");
}

std::string same(std::string_view text) { return std::string(text); }

template <std::string (*change)(std::string_view)>
Value changed(Context& context, const Value& input, const Arguments& given) {
  expect_no_arguments("the filter", given);
  const std::string text = to_text(input, context.budget);
  context.budget.step(text.size() / 16);
  return made(change(text), context.budget);
}

/// A filter whose result of markup is markup.
template <Filter filter>
Value keeping(Context& context, const Value& input, const Arguments& given) {
  Value out = filter(context, input, given);
  return input.is_markup() ? out.as_markup() : out;
}

Value safe(Context& context, const Value& input, const Arguments& given) {
  return changed<same>(context, input, given).as_markup();
}

Value force_escape(Context& context, const Value& input, const Arguments& given) {
  return changed<html_escaped>(context, input, given).as_markup();
}

Value escape(Context& context, const Value& input, const Arguments& given) {
  return input.is_markup() ? input : force_escape(context, input, given);
}

/// Upper case after -, white space and open brackets, lower case elsewhere.
std::string title(std::string_view text) {
  std::string out;
  std::u32string part;
  const auto flush = [&] {
    out += capitalized(to_utf8(part));
    part.clear();
  };
  for (const char32_t c : decode_utf8(text).chars) {
    const bool cuts =
        is_python_space(c) || std::u32string_view(U"-({[<").find(c) != std::u32string_view::npos;
    if (cuts) flush();
    if (cuts) append_utf8(out, c);
    if (!cuts) part += c;
  }
  flush();
  return out;
}

std::string url_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = std::isalnum(static_cast<unsigned char>(c)) != 0 ||
                       std::string_view("_.-~/").find(c) != std::string_view::npos;
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<uint8_t>(c));
  }
  return out;
}

Value trim(Context& context, const Value& input, const Arguments& given) {
  const Bound bound("trim", given, {"chars"});
  const std::string text = to_text(input, context.budget);
  context.budget.step(text.size() / 16);
  return made(stripped(text, optional_text(bound, 0), true, true), context.budget);
}

Value replace(Context& context, const Value& input, const Arguments& given) {
  const Bound bound("replace", given, {"old", "new", "count"});
  Budget& budget = context.budget;
  return Value(replaced(to_text(input, budget), to_text(bound.needed(0), budget),
                        to_text(bound.needed(1), budget), bound.integer(2, -1), budget));
}

Value center(Context& context, const Value& input, const Arguments& given) {
  const Bound bound("center", given, {"width"});
  return Value(
      aligned(to_text(input, context.budget), bound.integer(0, 80), " ", '^', context.budget));
}

Value indent(Context& context, const Value& input, const Arguments& given) {
  const Bound bound("indent", given, {"width", "first", "blank"});
  if (!input.is_text()) throw Fault("indent needs a text");
  const std::string by = bound.value(0).is_text()
                             ? bound.value(0).text()
                             : aligned("", bound.integer(0, 4), " ", '<', context.budget);
  const bool blank = bound.truth(2, false);
  std::string out = bound.truth(1, false) ? by : "";
  bool first = true;
  for (const std::string& line : split_lines(input.text() + "\n", false)) {
    if (!first) out += '\n';
    if (!first && (blank || !line.empty())) {
      context.budget.make(by.size());
      out += by;
    }
    out += line;
    first = false;
  }
  return made(std::move(out), context.budget);
}

Value truncate(Context& context, const Value& input, const Arguments& given) {
  const Bound bound("truncate", given, {"length", "killwords", "end", "leeway"});
  const int64_t length = bound.integer(0, 255);
  const std::string end = bound.text(2, "...");
  const int64_t end_size = length_of(Value(end));
  if (length < end_size) throw Fault("truncate: the length is less than that of the end");
  if (!input.is_text()) throw Fault("truncate needs a text");
  if (length_of(input) - length <= bound.integer(3, 5)) return input;
  std::string kept =
      slice_of(input, Value(), Value(length - end_size), Value(), context.budget).text();
  if (!bound.truth(1, false)) kept = split(kept, " ", 1, true)[0];
  return made(kept + (input.is_markup() ? html_escaped(end) : end), context.budget);
}

Value format(Context& context, const Value& input, const Arguments& given) {
  const Value pattern = input.is_text() ? input : Value(to_text(input, context.budget));
  if (given.named.empty()) {
    const Value values = Value::sequence(given.positional, Sequence::Kind::tuple);
    return arithmetic("%", pattern, values, context.budget);
  }
  if (!given.positional.empty()) throw Fault("format takes positions or names, not both");
  Dict dict;
  for (const auto& [name, value] : given.named) dict.put(name, value);
  return arithmetic("%", pattern, Value(std::move(dict)), context.budget);
}

Value wordcount(Context& context, const Value& input, const Arguments& given) {
  expect_no_arguments("wordcount", given);
  int64_t words = 0;
  bool inside = false;
  for (const char32_t c : decode_utf8(to_text(input, context.budget)).chars) {
    words += static_cast<int64_t>(is_word(c) && !inside);
    inside = is_word(c);
  }
  return Value(words);
}

Value tojson(Context& context, const Value& input, const Arguments& given) {
  const Bound bound("tojson", given, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonStyle style;
  style.ensure_ascii = bound.truth(0, false);
  style.sort_keys = bound.truth(3, false);
  style.indented = !bound.value(1).is_none();
  if (bound.value(1).is_text()) {
    style.indent = bound.value(1).text();
  } else if (style.indented) {
    style.indent = aligned("", bound.integer(1, 0), " ", '<', context.budget);
  }
  if (style.indented) style.between = ",";
  if (!bound.value(2).is_none()) {
    const auto separators = elements_of(bound.value(2), context.budget);
    if (separators.size() != 2 || !separators[0].is_text() || !separators[1].is_text()) {
      throw Fault("tojson: separators must be two texts");
    }
    style.between = separators[0].text();
    style.after_key = separators[1].text();
  }
  return made(to_json(input, style, context.budget), context.budget);
}

}  // namespace

const FilterTable& text_filters() {
  static const FilterTable kFilters = {
      {"capitalize", keeping<changed<capitalized>>},
      {"center", keeping<center>},
      {"e", escape},
      {"escape", escape},
      {"forceescape", force_escape},
      {"format", format},
      {"indent", keeping<indent>},
      {"lower", keeping<changed<lower>>},
      {"replace", replace},
      {"safe", safe},
      {"string", keeping<changed<same>>},
      {"title", changed<title>},
      {"tojson", tojson},
      {"trim", keeping<trim>},
      {"truncate", keeping<truncate>},
      {"upper", keeping<changed<upper>>},
      {"urlencode", changed<url_encoded>},
      {"wordcount", wordcount},
  };
  return kFilters;
}

}  // namespace heed::jinja
