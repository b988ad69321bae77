// Filters that make numbers, or one value of another.

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <cstdlib>

#include "heed/text/jinja/arguments.h"
#include "heed/text/jinja/filters.h"
#include "heed/text/jinja/methods.h"
#include "heed/text/jinja/operators.h"
#include "heed/text/jinja/text_ops.h"

namespace heed::jinja {
namespace {

/// Python's int(text, base) with the digits 0-9a-z, or nothing.
std::optional<int64_t> read_integer(const std::string& text, int64_t base) {
  std::string digits = lower(stripped(text, std::nullopt, true, true));
  const bool below = digits.starts_with('-');
  if (below || digits.starts_with('+')) digits.erase(0, 1);
  const std::string prefix = base == 16 ? "0x" : base == 8 ? "0o" : base == 2 ? "0b" : "";
  if (!prefix.empty() && digits.starts_with(prefix)) digits.erase(0, 2);
  std::erase(digits, '_');
  int64_t number = 0;
  if (base < 2 || base > 36) return std::nullopt;
  const auto [end, error] =
      std::from_chars(digits.data(), digits.data() + digits.size(), number, static_cast<int>(base));
  if (error == std::errc::result_out_of_range) throw Fault("an integer beyond 64 bits");
  if (error != std::errc() || end != digits.data() + digits.size() || digits.starts_with('-')) {
    return std::nullopt;
  }
  return below ? -number : number;
}

std::optional<double> read_real(const std::string& text) {
  std::string digits = lower(stripped(text, std::nullopt, true, true));
  if (digits.starts_with('+')) digits.erase(0, 1);
  double number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc() || end != digits.data() + digits.size()) return std::nullopt;
  return number;
}

std::optional<double> as_real(const Value& value) {
  if (value.is_number()) return value.real();
  return value.is_text() ? read_real(value.text()) : std::nullopt;
}

Value to_integer(Context&, const Value& input, const Arguments& given) {
  const Bound bound("int", given, {"default", "base"});
  if (input.is_undefined()) throw Fault(input.why_undefined());
  if (input.is_integer()) return Value(input.integer());
  if (input.is_text()) {
    if (const auto number = read_integer(input.text(), bound.integer(1, 10))) return Value(*number);
  }
  const auto real = as_real(input);
  if (real && std::isfinite(*real)) {
    if (std::abs(*real) > 9e18) throw Fault("an integer beyond 64 bits");
    return Value(static_cast<int64_t>(*real));
  }
  return bound.has(0) ? bound.value(0) : Value(int64_t{0});
}

Value to_real(Context&, const Value& input, const Arguments& given) {
  const Bound bound("float", given, {"default"});
  if (input.is_undefined()) throw Fault(input.why_undefined());
  if (const auto real = as_real(input)) return Value(*real);
  return bound.has(0) ? bound.value(0) : Value(0.0);
}

Value absolute(Context&, const Value& input, const Arguments& given) {
  expect_no_arguments("abs", given);
  if (input.is_real()) return Value(std::abs(input.real()));
  if (input.is_integer()) {
    return input.integer() < 0 ? negative(input) : Value(input.integer());
  }
  throw Fault(input.is_undefined() ? input.why_undefined() : "abs needs a number");
}

Value rounded(Context&, const Value& input, const Arguments& given) {
  const Bound bound("round", given, {"precision", "method"});
  if (!input.is_number()) {
    throw Fault(input.is_undefined() ? input.why_undefined() : "round needs a number");
  }
  const int64_t precision = bound.integer(0, 0);
  const std::string method = bound.text(1, "common");
  if (method == "common") {
    if (input.is_integer() && precision >= 0) return Value(input.integer());
    if (precision < -300 || precision > 300) return Value(input.real());
    // through decimal digits, as CPython: 2.675 rounds to what its digits say
    double result = 0;
    if (precision >= 0) {
      result = std::strtod(fmt::format("{:.{}f}", input.real(), precision).c_str(), nullptr);
    } else {
      const double unit = std::pow(10.0, static_cast<double>(-precision));
      result = std::nearbyint(input.real() / unit) * unit;
    }
    if (!input.is_integer()) return Value(result);
    if (std::abs(result) > 9e18) throw Fault("an integer beyond 64 bits");
    return Value(static_cast<int64_t>(result));
  }
  if (method != "ceil" && method != "floor") throw Fault("round knows common, ceil and floor");
  const double scale = std::pow(10.0, static_cast<double>(precision));
  const double scaled = input.real() * scale;
  return Value((method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / scale);
}

Value fallback(Context&, const Value& input, const Arguments& given) {
  const Bound bound("default", given, {"default_value", "boolean"});
  const bool missing = input.is_undefined() || (bound.truth(1, false) && !input.truth());
  if (!missing) return input;
  return bound.has(0) ? bound.value(0) : Value(std::string());
}

Value length(Context&, const Value& input, const Arguments& given) {
  expect_no_arguments("length", given);
  return Value(length_of(input));
}

Value attribute_filter(Context& context, const Value& input, const Arguments& given) {
  const Bound bound("attr", given, {"name"});
  const std::string name = bound.text(0, "");
  if (input.is_undefined()) throw Fault(input.why_undefined());
  if (auto method = method_of(input, name)) return *std::move(method);
  context.budget.make(name.size());
  return Value::undefined(
      fmt::format("'{} object' has no attribute '{}'", input.type_name(), name));
}

}  // namespace

const FilterTable& number_filters() {
  static const FilterTable kFilters = {
      {"abs", absolute},   {"attr", attribute_filter}, {"count", length},
      {"d", fallback},     {"default", fallback},      {"float", to_real},
      {"int", to_integer}, {"length", length},         {"round", rounded},
  };
  return kFilters;
}

}  // namespace heed::jinja
