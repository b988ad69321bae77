// What stands after `is`.

#include <fmt/format.h>

#include "heed/text/jinja/arguments.h"
#include "heed/text/jinja/filters.h"
#include "heed/text/jinja/operators.h"
#include "heed/text/jinja/print.h"
#include "heed/text/jinja/text_ops.h"

namespace heed::jinja {
namespace {

using Kind = Sequence::Kind;
using Property = bool (*)(const Value& value);

template <Property property>
bool has(Context&, const Value& input, const Arguments& given) {
  expect_no_arguments("the test", given);
  return property(input);
}

bool is_true(const Value& value) { return value.is_bool() && value.truth(); }
bool is_false(const Value& value) { return value.is_bool() && !value.truth(); }
bool is_defined(const Value& value) { return !value.is_undefined(); }
bool is_undefined(const Value& value) { return value.is_undefined(); }
bool is_none(const Value& value) { return value.is_none(); }
bool is_bool(const Value& value) { return value.is_bool(); }
bool is_int(const Value& value) { return value.is_integer() && !value.is_bool(); }
bool is_float(const Value& value) { return value.is_real(); }
bool is_number(const Value& value) { return value.is_number(); }
bool is_text(const Value& value) { return value.is_text(); }
bool is_dict(const Value& value) { return value.is_dict(); }
bool is_callable(const Value& value) { return value.callable() != nullptr; }
bool is_iterable(const Value& value) {
  return value.is_text() || value.is_dict() || value.is_sequence() || value.is_undefined() ||
         value.loop() != nullptr;
}
bool is_sequence(const Value& value) {
  if (!value.is_sequence()) return value.is_text() || value.is_dict() || value.is_undefined();
  const Kind kind = value.sequence().kind;
  return kind == Kind::list || kind == Kind::tuple || kind == Kind::group || kind == Kind::range;
}

template <int64_t rest>
bool halves(Context& context, const Value& input, const Arguments& given) {
  expect_no_arguments("the test", given);
  return equal(arithmetic("%", input, Value(int64_t{2}), context.budget), Value(rest),
               context.budget);
}

bool divisible(Context& context, const Value& input, const Arguments& given) {
  const Bound bound("divisibleby", given, {"num"});
  return equal(arithmetic("%", input, bound.needed(0), context.budget), Value(int64_t{0}),
               context.budget);
}

struct Comparison {
  std::string_view name;
  std::string_view sign;
};
constexpr Comparison kComparisons[] = {
    {"==", "=="},      {"eq", "=="}, {"equalto", "=="}, {"!=", "!="},
    {"ne", "!="},      {">", ">"},   {"gt", ">"},       {"greaterthan", ">"},
    {">=", ">="},      {"ge", ">="}, {"<", "<"},        {"lt", "<"},
    {"lessthan", "<"}, {"<=", "<="}, {"le", "<="},      {"in", "in"},
};

std::string_view comparison_sign(std::string_view name) {
  for (const auto& [known, sign] : kComparisons) {
    if (known == name) return sign;
  }
  return {};
}

bool same(Context&, const Value& input, const Arguments& given) {
  return input.is(Bound("sameas", given, {"other"}).needed(0));
}
bool upper_case(Context& context, const Value& input, const Arguments& given) {
  expect_no_arguments("upper", given);
  return is_upper_case(to_text(input, context.budget));
}
bool lower_case(Context& context, const Value& input, const Arguments& given) {
  expect_no_arguments("lower", given);
  return is_lower_case(to_text(input, context.budget));
}
bool named_filter(Context&, const Value& input, const Arguments& given) {
  expect_no_arguments("filter", given);
  return input.is_text() && is_filter(input.text());
}
bool named_test(Context&, const Value& input, const Arguments& given) {
  expect_no_arguments("test", given);
  return input.is_text() && is_test(input.text());
}
bool escaped(Context&, const Value& input, const Arguments&) { return input.is_markup(); }

const std::unordered_map<std::string_view, Test>& tests() {
  static const std::unordered_map<std::string_view, Test> kTests = {
      {"boolean", has<is_bool>},
      {"callable", has<is_callable>},
      {"defined", has<is_defined>},
      {"divisibleby", divisible},
      {"escaped", escaped},
      {"even", halves<0>},
      {"false", has<is_false>},
      {"filter", named_filter},
      {"float", has<is_float>},
      {"integer", has<is_int>},
      {"iterable", has<is_iterable>},
      {"lower", lower_case},
      {"mapping", has<is_dict>},
      {"none", has<is_none>},
      {"number", has<is_number>},
      {"odd", halves<1>},
      {"sameas", same},
      {"sequence", has<is_sequence>},
      {"string", has<is_text>},
      {"test", named_test},
      {"true", has<is_true>},
      {"undefined", has<is_undefined>},
      {"upper", upper_case},
  };
  return kTests;
}

}  // namespace

bool apply_test(std::string_view name, Context& context, const Value& input,
                const Arguments& given) {
  if (const std::string_view sign = comparison_sign(name); !sign.empty()) {
    const Bound bound(name, given, {"other"});
    return compare(sign, input, bound.needed(0), context.budget);
  }
  const auto found = tests().find(name);
  if (found == tests().end()) throw Fault(fmt::format("Heed knows no test '{}'", name));
  return found->second(context, input, given);
}

bool is_test(std::string_view name) {
  return tests().count(name) > 0 || !comparison_sign(name).empty();
}

}  // namespace heed::jinja
