// What a text has behind a dot: {{ message.content.strip() }}.

#include <fmt/format.h>

#include <algorithm>
#include <unordered_map>
#include <utility>

#include "heed/text/jinja/arguments.h"
#include "heed/text/jinja/context.h"
#include "heed/text/jinja/format.h"
#include "heed/text/jinja/methods.h"
#include "heed/text/jinja/operators.h"
#include "heed/text/jinja/print.h"
#include "heed/text/jinja/text_ops.h"

namespace heed::jinja {
namespace {

constexpr size_t kNone = std::string_view::npos;

/// One method: its own text, what it was called with, what pays for the result.
using Method = Value (*)(const std::string& text, const Arguments& given, Budget& budget);

std::optional<std::string> optional_text(const Bound& bound, size_t parameter) {
  if (bound.value(parameter).is_none()) return std::nullopt;
  return bound.text(parameter, "");
}

std::string needed_text(const Bound& bound, size_t parameter) {
  bound.needed(parameter);
  return bound.text(parameter, "");
}

Value texts(std::vector<std::string> parts, Budget& budget,
            Sequence::Kind kind = Sequence::Kind::list) {
  std::vector<Value> out;
  for (std::string& part : parts) out.push_back(made(std::move(part), budget));
  return made(std::move(out), budget, kind);
}

template <std::string (*change)(std::string_view)>
Value changed(const std::string& text, const Arguments& given, Budget& budget) {
  expect_no_arguments("a text's method", given);
  budget.step(text.size() / 16);
  return made(change(text), budget);
}

template <bool (*property)(char32_t)>
Value all_are(const std::string& text, const Arguments& given, Budget& budget) {
  expect_no_arguments("a text's method", given);
  budget.step(text.size() / 16);
  return Value(all_characters(text, property));
}

bool is_letter_or_number(char32_t c) { return is_letter(c) || is_numeric(c) || is_digit(c); }

/// Searches from the right take time in proportion to both lengths.
void pay_search(const std::string& text, const std::string& needle, Budget& budget) {
  budget.step(text.size() / 16 + text.size() * needle.size() / 256);
}

template <bool left, bool right>
Value strip(const std::string& text, const Arguments& given, Budget& budget) {
  const Bound bound("strip", given, {"chars"});
  budget.step(text.size() / 16);
  return made(stripped(text, optional_text(bound, 0), left, right), budget);
}

template <bool from_right>
Value split_method(const std::string& text, const Arguments& given, Budget& budget) {
  const Bound bound("split", given, {"sep", "maxsplit"});
  budget.make(text.size() * 2);
  pay_search(text, optional_text(bound, 0).value_or(""), budget);
  return texts(split(text, optional_text(bound, 0), bound.integer(1, -1), from_right, &budget),
               budget);
}

Value split_lines_method(const std::string& text, const Arguments& given, Budget& budget) {
  const Bound bound("splitlines", given, {"keepends"});
  return texts(split_lines(text, bound.truth(0, false), &budget), budget);
}

template <bool from_right>
Value partition(const std::string& text, const Arguments& given, Budget& budget) {
  const Bound bound("partition", given, {"sep"});
  const std::string separator = needed_text(bound, 0);
  if (separator.empty()) throw Fault("partition: the separator must not be empty");
  pay_search(text, separator, budget);
  const size_t at = from_right ? text.rfind(separator) : find_text(text, separator);
  if (at == kNone) {
    return texts(from_right ? std::vector<std::string>{"", "", text}
                            : std::vector<std::string>{text, "", ""},
                 budget, Sequence::Kind::tuple);
  }
  return texts({text.substr(0, at), separator, text.substr(at + separator.size())}, budget,
               Sequence::Kind::tuple);
}

/// The characters [start, end) that a method looks at.
std::string part_of(const std::string& text, const Bound& bound, size_t start, Budget& budget) {
  if (!bound.has(start) && !bound.has(start + 1)) return text;
  return slice_of(Value(text), bound.value(start), bound.value(start + 1), Value(), budget).text();
}

template <bool at_end>
Value has_affix(const std::string& text, const Arguments& given, Budget& budget) {
  const Bound bound("startswith", given, {"affix", "start", "end"});
  const std::string part = part_of(text, bound, 1, budget);
  const auto matches = [&](const Value& affix) {
    if (!affix.is_text()) {
      throw Fault(affix.is_undefined()
                      ? affix.why_undefined()
                      : fmt::format("startswith and endswith need texts, found a value of type {}",
                                    affix.type_name()));
    }
    return at_end ? part.ends_with(affix.text()) : part.starts_with(affix.text());
  };
  const Value& affix = bound.needed(0);
  if (affix.type_name() != "tuple") return Value(matches(affix));
  const auto& any = affix.sequence().elements;
  return Value(std::any_of(any.begin(), any.end(), matches));
}

/// Characters before byte `at`.
int64_t characters(const std::string& text, size_t at) {
  return length_of(Value(text.substr(0, at)));
}

template <bool from_right, bool needs>
Value find_method(const std::string& text, const Arguments& given, Budget& budget) {
  const Bound bound("find", given, {"sub", "start", "end"});
  const std::string needle = needed_text(bound, 0);
  budget.make(text.size());
  pay_search(text, needle, budget);
  const std::string part = part_of(text, bound, 1, budget);
  const size_t at = from_right ? part.rfind(needle) : find_text(part, needle);
  if (at == kNone) {
    if (needs) throw Fault("index: the text does not hold what is looked for");
    return Value(int64_t{-1});
  }
  const int64_t size = length_of(Value(text));
  const int64_t begin = bounds_of(size, bound.integer(1, 0), size).first;
  return Value(characters(part, at) + begin);
}

Value count_method(const std::string& text, const Arguments& given, Budget& budget) {
  const Bound bound("count", given, {"sub", "start", "end"});
  const std::string needle = needed_text(bound, 0);
  budget.make(text.size());
  const std::string part = part_of(text, bound, 1, budget);
  if (needle.empty()) return Value(length_of(Value(part)) + 1);
  int64_t count = 0;
  for (size_t at = find_text(part, needle); at != kNone;
       at = find_text(part, needle, at + needle.size())) {
    ++count;
  }
  return Value(count);
}

Value replace_method(const std::string& text, const Arguments& given, Budget& budget) {
  const Bound bound("replace", given, {"old", "new", "count"});
  return Value(
      replaced(text, needed_text(bound, 0), needed_text(bound, 1), bound.integer(2, -1), budget));
}

Value join_method(const std::string& text, const Arguments& given, Budget& budget) {
  const Bound bound("join", given, {"iterable"});
  std::vector<std::string> parts;
  for (const Value& element : elements_of(bound.needed(0), budget)) {
    if (!element.is_text()) {
      throw Fault(fmt::format("join needs texts, found a value of type {}", element.type_name()));
    }
    parts.push_back(element.text());
  }
  return Value(joined(text, parts, budget));
}

template <char align>
Value align_method(const std::string& text, const Arguments& given, Budget& budget) {
  const Bound bound("center", given, {"width", "fillchar"});
  bound.needed(0);
  const std::string fill = bound.text(1, " ");
  if (length_of(Value(fill)) != 1) throw Fault("center, ljust and rjust fill with one character");
  return Value(aligned(text, bound.integer(0, 0), fill, align, budget));
}

Value zfill(const std::string& text, const Arguments& given, Budget& budget) {
  const Bound bound("zfill", given, {"width"});
  bound.needed(0);
  const bool signed_text = text.starts_with('-') || text.starts_with('+');
  const std::string sign = text.substr(0, static_cast<size_t>(signed_text));
  const int64_t width =
      std::max<int64_t>(bound.integer(0, 0), 0) - static_cast<int64_t>(sign.size());
  return Value(sign + aligned(text.substr(sign.size()), width, "0", '>', budget));
}

template <bool at_end>
Value remove_affix(const std::string& text, const Arguments& given, Budget& budget) {
  const Bound bound("removeprefix", given, {"affix"});
  const std::string affix = needed_text(bound, 0);
  if (at_end && text.ends_with(affix)) {
    return made(text.substr(0, text.size() - affix.size()), budget);
  }
  if (!at_end && text.starts_with(affix)) return made(text.substr(affix.size()), budget);
  return Value(text);
}

Value is_upper_method(const std::string& text, const Arguments&, Budget&) {
  return Value(is_upper_case(text));
}
Value is_lower_method(const std::string& text, const Arguments&, Budget&) {
  return Value(is_lower_case(text));
}

Value format_method(const std::string& text, const Arguments& given, Budget& budget) {
  return made(format_braces(text, given, budget), budget);
}

const std::unordered_map<std::string_view, Method>& methods() {
  static const std::unordered_map<std::string_view, Method> kMethods = {
      {"capitalize", changed<capitalized>},
      {"casefold", changed<lower>},
      {"center", align_method<'^'>},
      {"count", count_method},
      {"endswith", has_affix<true>},
      {"find", find_method<false, false>},
      {"format", format_method},
      {"index", find_method<false, true>},
      {"isalnum", all_are<is_letter_or_number>},
      {"isalpha", all_are<is_letter>},
      {"isdecimal", all_are<is_decimal>},
      {"isdigit", all_are<is_digit>},
      {"islower", is_lower_method},
      {"isnumeric", all_are<is_numeric>},
      {"isspace", all_are<is_python_space>},
      {"isupper", is_upper_method},
      {"join", join_method},
      {"ljust", align_method<'<'>},
      {"lower", changed<lower>},
      {"lstrip", strip<true, false>},
      {"partition", partition<false>},
      {"removeprefix", remove_affix<false>},
      {"removesuffix", remove_affix<true>},
      {"replace", replace_method},
      {"rfind", find_method<true, false>},
      {"rindex", find_method<true, true>},
      {"rjust", align_method<'>'>},
      {"rpartition", partition<true>},
      {"rsplit", split_method<true>},
      {"rstrip", strip<false, true>},
      {"split", split_method<false>},
      {"splitlines", split_lines_method},
      {"startswith", has_affix<false>},
      {"strip", strip<true, true>},
      {"swapcase", changed<swapped_case>},
      {"title", changed<title_case>},
      {"upper", changed<upper>},
      {"zfill", zfill},
  };
  return kMethods;
}

/// What markup's methods take: texts that become part of the result are escaped.
Arguments markup_arguments(std::string_view method, Arguments given, Budget& budget) {
  const auto joins = [&](Value& value) {
    if (!value.is_number()) value = made(markup_of(value, budget), budget);
  };
  if (method == "format") {
    for (Value& value : given.positional) joins(value);
    for (auto& [name, value] : given.named) joins(value);
  } else if (method == "join" && !given.positional.empty()) {
    std::vector<Value> parts;
    for (const Value& part : elements_of(given.positional[0], budget)) {
      parts.push_back(made(markup_of(part, budget), budget));
    }
    given.positional[0] = made(std::move(parts), budget);
  } else if ((method == "center" || method == "ljust" || method == "rjust") ||
             method == "replace") {
    if (given.positional.size() > 1) joins(given.positional[1]);
    for (auto& [name, value] : given.named) {
      if (name == "new" || name == "fillchar") joins(value);
    }
  }
  return given;
}

/// The texts of a result, or of the list that it is, as markup.
Value markup_result(const Value& result, Budget& budget) {
  if (result.is_text()) return result.as_markup();
  if (!result.is_sequence()) return result;
  std::vector<Value> out;
  for (const Value& part : result.sequence().elements) out.push_back(part.as_markup());
  return made(std::move(out), budget, result.sequence().kind);
}

}  // namespace

std::optional<Value> text_method(const Value& of, std::string_view name) {
  const auto found = methods().find(name);
  if (found == methods().end()) return std::nullopt;
  const Method method = found->second;
  return Value(
      Callable{.name = std::string(name),
               .call = [of, method, name = found->first](Context& context, const Arguments& given) {
                 Budget& budget = context.budget;
                 if (!of.is_markup()) return method(of.text(), given, budget);
                 const Arguments joining = markup_arguments(name, given, budget);
                 return markup_result(method(of.text(), joining, budget), budget);
               }});
}

}  // namespace heed::jinja
