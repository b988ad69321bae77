#include "heed/text/jinja/operators.h"

#include <fmt/format.h>
#include <string.h>

#include <algorithm>
#include <cmath>

#include "heed/text/jinja/format.h"
#include "heed/text/jinja/methods.h"
#include "heed/text/jinja/print.h"
#include "heed/text/unicode.h"

namespace heed::jinja {
namespace {

[[noreturn]] void refuse(std::string_view sign, const Value& a, const Value& b) {
  for (const Value* value : {&a, &b}) {
    if (value->is_undefined()) throw Fault(value->why_undefined());
  }
  throw Fault(fmt::format("a value of type {} {} one of type {} means nothing", a.type_name(), sign,
                          b.type_name()));
}

/// By reference: which of the arguments is evaluated first is not said.
int64_t checked(bool overflow, const int64_t& result) {
  if (overflow) throw Fault("an integer beyond 64 bits");
  return result;
}

void refuse_zero(bool zero) {
  if (zero) throw Fault("a division by zero");
}

int64_t floor_divide(int64_t a, int64_t b) {
  refuse_zero(b == 0);
  if (b == -1) {
    int64_t result = 0;
    return checked(__builtin_sub_overflow(int64_t{0}, a, &result), result);
  }
  const int64_t quotient = a / b;
  return quotient - static_cast<int64_t>(a % b != 0 && (a < 0) != (b < 0));
}

int64_t modulo(int64_t a, int64_t b) {
  refuse_zero(b == 0);
  if (b == -1) return 0;
  const int64_t rest = a % b;
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

double modulo(double a, double b) {
  refuse_zero(b == 0);
  const double rest = std::fmod(a, b);
  if (rest == 0) return std::copysign(0.0, b);
  return (rest < 0) != (b < 0) ? rest + b : rest;
}

Value power(const Value& a, const Value& b) {
  if (!a.is_integer() || !b.is_integer() || b.integer() < 0) {
    refuse_zero(a.real() == 0 && b.real() < 0);
    if (a.real() < 0 && b.real() != std::floor(b.real())) {
      throw Fault("a root of a negative number");
    }
    return Value(std::pow(a.real(), b.real()));
  }
  int64_t result = 1;
  int64_t base = a.integer();
  if (base >= -1 && base <= 1) {
    const bool one = b.integer() == 0 || (base == -1 && b.integer() % 2 == 0);
    return Value(one ? int64_t{1} : base);
  }
  for (int64_t i = 0; i < b.integer(); ++i) {  // at most 63 times: then it is too large
    result = checked(__builtin_mul_overflow(result, base, &result), result);
  }
  return Value(result);
}

Value integers(std::string_view sign, int64_t a, int64_t b) {
  int64_t result = 0;
  if (sign == "+") return Value(checked(__builtin_add_overflow(a, b, &result), result));
  if (sign == "-") return Value(checked(__builtin_sub_overflow(a, b, &result), result));
  if (sign == "*") return Value(checked(__builtin_mul_overflow(a, b, &result), result));
  if (sign == "//") return Value(floor_divide(a, b));
  return Value(modulo(a, b));
}

Value reals(std::string_view sign, double a, double b) {
  if (sign == "+") return Value(a + b);
  if (sign == "-") return Value(a - b);
  if (sign == "*") return Value(a * b);
  if (sign == "//") {
    refuse_zero(b == 0);
    return Value(std::floor(a / b));
  }
  return Value(modulo(a, b));
}

/// A part of a text: markup if that is.
Value like(const Value& of, Value part) { return of.is_markup() ? part.as_markup() : part; }

/// What markup formats, each value as it joins it; numbers stay for %d and the like.
Value markup_values(const Value& values, Budget& budget) {
  const auto joins = [&](const Value& value) {
    return value.is_number() ? value : made(markup_of(value, budget), budget);
  };
  if (values.is_dict()) {
    Dict dict;
    for (const auto& [key, value] : values.dict().items()) dict.put(key, joins(value));
    return Value(std::move(dict));
  }
  if (values.type_name() != "tuple") return joins(values);
  std::vector<Value> out;
  for (const Value& value : values.sequence().elements) out.push_back(joins(value));
  return made(std::move(out), budget, Sequence::Kind::tuple);
}

Value repeated(const Value& what, int64_t times, Budget& budget) {
  const auto count = static_cast<size_t>(std::max<int64_t>(times, 0));
  const auto room = [&](size_t size, size_t each) {
    if (size != 0 && count > (size_t{1} << 40) / size)
      throw BudgetFault("the template makes too much text");
    budget.make(count * size * each);
  };
  if (what.is_text()) {
    room(what.text().size(), 1);
    std::string out;
    out.reserve(count * what.text().size());
    if (!what.text().empty()) {
      for (size_t i = 0; i < count; ++i) out += what.text();
    }
    return like(what, Value(std::move(out)));
  }
  const Sequence& sequence = what.sequence();
  room(sequence.elements.size(), sizeof(Value));
  std::vector<Value> out;
  if (!sequence.elements.empty()) {
    for (size_t i = 0; i < count; ++i) {
      out.insert(out.end(), sequence.elements.begin(), sequence.elements.end());
    }
  }
  return Value::sequence(std::move(out), sequence.kind);
}

bool is_list_or_tuple(const Value& value) {
  return value.type_name() == "list" || value.type_name() == "tuple";
}

Value added(const Value& a, const Value& b, Budget& budget) {
  if (a.is_text() && b.is_text()) {
    budget.make(a.text().size() + b.text().size());
    if (!a.is_markup() && !b.is_markup()) return Value(a.text() + b.text());
    return made(markup_of(a, budget) + markup_of(b, budget), budget).as_markup();
  }
  if (!is_list_or_tuple(a) || a.type_name() != b.type_name()) refuse("+", a, b);
  std::vector<Value> out = elements_of(a, budget);
  const auto more = elements_of(b, budget);
  out.insert(out.end(), more.begin(), more.end());
  return Value::sequence(std::move(out), a.sequence().kind);
}

/// "'dict object' has no attribute 'x'"
Value missing(const Value& of, const std::string& kind, const std::string& name) {
  const std::string owner = of.is_none() ? "None" : fmt::format("{} object", of.type_name());
  return Value::undefined(fmt::format("'{}' has no {} {}", owner, kind, name));
}

const Value* element_at(const Value& of, const Value& key) {
  if (!of.is_sequence() || !key.is_integer()) return nullptr;
  switch (of.sequence().kind) {
    case Sequence::Kind::list:
    case Sequence::Kind::tuple:
    case Sequence::Kind::group:
    case Sequence::Kind::range:
      break;
    default:
      return nullptr;
  }
  const auto& elements = of.sequence().elements;
  const auto size = static_cast<int64_t>(elements.size());
  const int64_t at = key.integer() < 0 ? key.integer() + size : key.integer();
  return at < 0 || at >= size ? nullptr : &elements[static_cast<size_t>(at)];
}

std::optional<Value> character_at(const Value& of, const Value& key, Budget& budget) {
  if (!of.is_text() || !key.is_integer()) return std::nullopt;
  budget.step(of.text().size() / 16);
  const std::u32string chars = decode_utf8(of.text()).chars;
  const auto size = static_cast<int64_t>(chars.size());
  const int64_t at = key.integer() < 0 ? key.integer() + size : key.integer();
  if (at < 0 || at >= size) return std::nullopt;
  return like(of, Value(to_utf8(std::u32string_view(chars).substr(static_cast<size_t>(at), 1))));
}

int64_t clamp_index(const Value& given, int64_t fallback, int64_t size, int64_t low, int64_t high) {
  if (given.is_none()) return fallback;
  if (!given.is_integer()) {
    throw Fault(fmt::format("a slice needs integers, found a value of type {}", given.type_name()));
  }
  const int64_t at = given.integer() < 0 ? given.integer() + size : given.integer();
  return std::clamp(at, low, high);
}

/// Which elements a slice takes, in order.
std::vector<size_t> slice_places(int64_t size, const Value& start, const Value& stop,
                                 const Value& step) {
  int64_t by = 1;
  if (!step.is_none()) {
    if (!step.is_integer()) throw Fault("a slice needs integers");
    by = step.integer();
  }
  if (by == 0) throw Fault("the step of a slice must not be 0");
  const bool back = by < 0;
  const int64_t low = back ? -1 : 0;
  const int64_t high = back ? size - 1 : size;
  const int64_t begin = clamp_index(start, back ? high : low, size, low, high);
  const int64_t end = clamp_index(stop, back ? low : high, size, low, high);
  std::vector<size_t> places;
  if (std::abs(by) > size + 1) by = back ? -size - 1 : size + 1;
  for (int64_t at = begin; back ? at > end : at < end; at += by) {
    places.push_back(static_cast<size_t>(at));
  }
  return places;
}

}  // namespace

Value arithmetic(std::string_view sign, const Value& a, const Value& b, Budget& budget) {
  if (sign == "%" && a.is_text()) {
    const Value values = a.is_markup() ? markup_values(b, budget) : b;
    return like(a, made(format_percent(a.text(), values, budget), budget));
  }
  if (a.is_number() && b.is_number()) {
    if (sign == "**") return power(a, b);
    if (sign == "/") {
      refuse_zero(b.real() == 0);
      return Value(a.real() / b.real());
    }
    if (a.is_integer() && b.is_integer()) return integers(sign, a.integer(), b.integer());
    return reals(sign, a.real(), b.real());
  }
  if (sign == "+" && !a.is_number() && !b.is_number()) return added(a, b, budget);
  const auto repeats = [](const Value& what, const Value& times) {
    return (what.is_text() || is_list_or_tuple(what)) && times.is_integer();
  };
  if (sign == "*" && repeats(a, b)) return repeated(a, b.integer(), budget);
  if (sign == "*" && repeats(b, a)) return repeated(b, a.integer(), budget);
  refuse(sign, a, b);
}

Value negative(const Value& value) {
  if (value.is_real()) return Value(-value.real());
  if (value.is_integer()) return integers("-", 0, value.integer());
  if (value.is_undefined()) throw Fault(value.why_undefined());
  throw Fault(fmt::format("a value of type {} has no negative", value.type_name()));
}

bool contains(const Value& hay, const Value& needle, Budget& budget) {
  if (hay.is_text()) {
    if (!needle.is_text()) refuse("not to be found in", needle, hay);
    budget.step(1 + hay.text().size() / 64);
    return memmem(hay.text().data(), hay.text().size(), needle.text().data(),
                  needle.text().size()) != nullptr;
  }
  if (hay.is_dict()) return hay.dict().find(needle) != nullptr;
  for (const Value& element : elements_of(hay, budget)) {
    if (equal(element, needle, budget)) return true;
  }
  return false;
}

bool compare(std::string_view sign, const Value& a, const Value& b, Budget& budget) {
  if (sign == "==") return equal(a, b, budget);
  if (sign == "!=") return !equal(a, b, budget);
  if (sign == "in") return contains(b, a, budget);
  if (sign == "not in") return !contains(b, a, budget);
  if (sign == "<") return less(a, b, budget);
  if (sign == ">") return less(b, a, budget);
  // not "not less": nan is neither
  const bool or_equal = equal(a, b, budget);
  return (sign == "<=" ? less(a, b, budget) : less(b, a, budget)) || or_equal;
}

Value attribute_of(const Value& of, std::string_view name) {
  if (of.is_undefined()) throw Fault(of.why_undefined());
  if (auto method = method_of(of, name)) return *std::move(method);
  if (of.is_dict()) {
    if (const Value* found = of.dict().find(name)) return *found;
  }
  return missing(of, "attribute", fmt::format("'{}'", name));
}

Value item_of(const Value& of, const Value& key, Budget& budget) {
  if (of.is_undefined()) throw Fault(of.why_undefined());
  if (of.is_dict() && (key.is_text() || key.is_number() || key.is_none())) {
    if (const Value* found = of.dict().find(key)) return *found;
  }
  if (const Value* found = element_at(of, key)) return *found;
  if (auto found = character_at(of, key, budget)) return *std::move(found);
  if (!key.is_text()) {
    return missing(of, "element",
                   key.is_integer() ? fmt::format("{}", key.integer()) : "of that kind");
  }
  if (auto method = method_of(of, key.text())) return *std::move(method);
  budget.make(key.text().size());
  return missing(of, "attribute", fmt::format("'{}'", key.text()));
}

Value slice_of(const Value& of, const Value& start, const Value& stop, const Value& step,
               Budget& budget) {
  if (of.is_undefined()) throw Fault(of.why_undefined());
  if (of.is_text()) {
    budget.make(of.text().size());
    budget.step(of.text().size() / 16);
    const std::u32string chars = decode_utf8(of.text()).chars;
    std::string out;
    for (const size_t at : slice_places(static_cast<int64_t>(chars.size()), start, stop, step)) {
      append_utf8(out, chars[at]);
    }
    return like(of, Value(std::move(out)));
  }
  if (!is_list_or_tuple(of) && !of.is_sequence(Sequence::Kind::range)) {
    throw Fault(fmt::format("a value of type {} cannot be sliced", of.type_name()));
  }
  const auto& elements = of.sequence().elements;
  std::vector<Value> out;
  for (const size_t at : slice_places(static_cast<int64_t>(elements.size()), start, stop, step)) {
    out.push_back(elements[at]);
  }
  const bool group = of.sequence().kind == Sequence::Kind::group;
  return made(std::move(out), budget, group ? Sequence::Kind::tuple : of.sequence().kind);
}

std::pair<int64_t, int64_t> bounds_of(int64_t size, int64_t start, int64_t stop) {
  const auto place = [&](int64_t at) {
    return std::clamp(at < 0 ? at + size : at, int64_t{0}, size);
  };
  return {place(start), place(stop)};
}

}  // namespace heed::jinja
