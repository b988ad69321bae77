#include "heed/text/jinja/format.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <optional>
#include <utility>

#include "heed/text/jinja/print.h"
#include "heed/text/unicode.h"

namespace heed::jinja {
namespace {

constexpr int64_t kWidest = 1 << 20;

/// What both syntaxes say about one value.
struct Spec {
  std::string fill = " ";
  char align = 0;  // '<', '>', '^', '='; 0: as the type has it
  char sign = '-';
  bool alternate = false;
  bool zeros = false;
  bool commas = false;
  int64_t width = 0;
  std::optional<int64_t> precision;
  char type = 0;  // 0: as str()
};

int64_t read_number(std::string_view text, size_t& at) {
  int64_t number = 0;
  while (at < text.size() && std::isdigit(static_cast<unsigned char>(text[at])) != 0) {
    number = std::min(number * 10 + (text[at++] - '0'), kWidest + 1);
  }
  if (number > kWidest) throw Fault("a width in a format is too large");
  return number;
}

std::string with_commas(std::string digits) {
  size_t end = digits.find_first_not_of("0123456789");
  if (end == std::string::npos) end = digits.size();
  for (size_t at = end; at > 3;) {
    at -= 3;
    digits.insert(at, ",");
  }
  return digits;
}

/// The number without its sign.
std::string digits_of(const Value& value, const Spec& spec) {
  static constexpr std::string_view kIntegers = "dixXob";
  if (spec.type == 0 || kIntegers.find(spec.type) != std::string_view::npos) {
    if (value.is_integer()) {
      const int64_t number = value.integer();
      const uint64_t size =
          number < 0 ? 0 - static_cast<uint64_t>(number) : static_cast<uint64_t>(number);
      switch (spec.type) {
        case 'x':
          return fmt::format("{}{:x}", spec.alternate ? "0x" : "", size);
        case 'X':
          return fmt::format("{}{:X}", spec.alternate ? "0X" : "", size);
        case 'o':
          return fmt::format("{}{:o}", spec.alternate ? "0o" : "", size);
        case 'b':
          return fmt::format("{}{:b}", spec.alternate ? "0b" : "", size);
        default:
          return fmt::format("{}", size);
      }
    }
    if (spec.type == 0 && !spec.precision) return real_text(std::abs(value.real()));
    if (spec.type != 0) throw Fault("a format of integers needs one, found a float");
  }
  const double size = std::abs(value.real());
  const int precision = static_cast<int>(std::min<int64_t>(spec.precision.value_or(6), 400));
  switch (spec.type) {
    case 'e':
      return fmt::format("{:.{}e}", size, precision);
    case 'E':
      return fmt::format("{:.{}E}", size, precision);
    case '%':
      return fmt::format("{:.{}f}%", size * 100, precision);
    case 'f':
    case 'F':
      return fmt::format("{:.{}f}", size, precision);
    default:
      return fmt::format("{:.{}g}", size, std::max(precision, 1));
  }
}

std::string padded(std::string text, const Spec& spec, char natural, std::string_view sign) {
  const auto width = static_cast<size_t>(length_of(Value(text))) + sign.size();
  const size_t missing =
      static_cast<size_t>(spec.width) > width ? static_cast<size_t>(spec.width) - width : 0;
  const char align = spec.align != 0 ? spec.align : natural;
  const size_t before = align == '<' ? 0 : align == '^' ? missing / 2 : missing;
  std::string left;
  std::string right;
  for (size_t i = 0; i < missing; ++i) (i < before ? left : right) += spec.fill;
  return align == '=' ? std::string(sign) + left + text : left + std::string(sign) + text + right;
}

std::string formatted(const Value& value, Spec spec, Budget& budget) {
  budget.make(static_cast<size_t>(spec.width) * spec.fill.size());
  const bool as_text = spec.type == 's' || (spec.type == 0 && !value.is_number()) ||
                       (spec.type == 0 && value.is_bool());
  if (as_text) {
    std::string text = to_text(value, budget);
    if (spec.precision) {
      const std::u32string chars = decode_utf8(text).chars;
      text = to_utf8(std::u32string_view(chars).substr(0, static_cast<size_t>(*spec.precision)));
    }
    budget.make(text.size());
    return padded(std::move(text), spec, '<', "");
  }
  if (!value.is_number()) {
    if (value.is_undefined()) throw Fault(value.why_undefined());
    throw Fault(
        fmt::format("a format of numbers needs one, found a value of type {}", value.type_name()));
  }
  const bool below = value.is_integer() ? value.integer() < 0 : std::signbit(value.real());
  const std::string_view sign = below ? "-" : spec.sign == '+' ? "+" : spec.sign == ' ' ? " " : "";
  if (spec.zeros && spec.align == 0) {
    spec.fill = "0";
    spec.align = '=';
  }
  std::string digits = digits_of(value, spec);
  if (spec.commas) digits = with_commas(std::move(digits));
  budget.make(digits.size());
  return padded(std::move(digits), spec, '>', sign);
}

/// [[fill]align][sign][#][0][width][,][.precision][type]
Spec read_spec(std::string_view text) {
  Spec spec;
  size_t at = 0;
  const std::u32string chars = decode_utf8(text).chars;
  const auto is_align = [](char32_t c) { return c == U'<' || c == U'>' || c == U'^' || c == U'='; };
  if (chars.size() > 1 && is_align(chars[1])) {
    spec.fill = to_utf8(std::u32string_view(chars).substr(0, 1));
    spec.align = static_cast<char>(chars[1]);
    at = spec.fill.size() + 1;
  } else if (!chars.empty() && is_align(chars[0])) {
    spec.align = static_cast<char>(chars[0]);
    at = 1;
  }
  const auto take = [&](std::string_view any) {
    const bool found = at < text.size() && any.find(text[at]) != std::string_view::npos;
    return found ? text[at++] : '\0';
  };
  if (const char sign = take("+- ")) spec.sign = sign;
  spec.alternate = take("#") != 0;
  spec.zeros = take("0") != 0;
  spec.width = read_number(text, at);
  spec.commas = take(",") != 0;
  if (take(".") != 0) spec.precision = read_number(text, at);
  spec.type = take("sdxXobeEfFgG%");
  if (at != text.size()) {
    throw Fault(fmt::format("Heed does not know the format '{}'", text));
  }
  return spec;
}

class Percent {
 public:
  Percent(const std::string& pattern, const Value& values, Budget& budget)
      : pattern_(pattern), values_(values), budget_(budget) {}

  std::string run() {
    std::string out;
    while (at_ < pattern_.size()) {
      const char c = pattern_[at_++];
      if (c != '%') {
        out += c;
      } else if (at_ < pattern_.size() && pattern_[at_] == '%') {
        out += pattern_[at_++];
      } else {
        out += one();
      }
    }
    const bool all = used_ == count() || values_.is_dict();
    if (!all) throw Fault("a % format does not use all of its values");
    return out;
  }

 private:
  bool is_tuple() const { return values_.type_name() == "tuple"; }
  size_t count() const { return is_tuple() ? values_.sequence().elements.size() : 1; }

  const Value& next() {
    if (used_ >= count()) throw Fault("a % format has more places than values");
    return is_tuple() ? values_.sequence().elements[used_++] : (++used_, values_);
  }

  const Value& named() {
    const size_t close = pattern_.find(')', at_);
    if (close == std::string::npos || !values_.is_dict()) {
      throw Fault("%(name)s needs a dict of values");
    }
    const std::string name = pattern_.substr(at_ + 1, close - at_ - 1);
    at_ = close + 1;
    const Value* found = values_.dict().find(name);
    if (found == nullptr) throw Fault(fmt::format("%({})s names no value of the dict", name));
    return *found;
  }

  std::string one() {
    const Value* value = nullptr;
    if (at_ < pattern_.size() && pattern_[at_] == '(') value = &named();
    Spec spec;
    bool left = false;
    for (; at_ < pattern_.size() &&
           std::string_view("-+ #0").find(pattern_[at_]) != std::string_view::npos;
         ++at_) {
      const char flag = pattern_[at_];
      left |= flag == '-';
      spec.zeros |= flag == '0';
      spec.alternate |= flag == '#';
      if (flag == '+' || (flag == ' ' && spec.sign != '+')) spec.sign = flag;
    }
    spec.width = read_number(pattern_, at_);
    if (at_ < pattern_.size() && pattern_[at_] == '.')
      spec.precision = read_number(pattern_, ++at_);
    if (at_ >= pattern_.size()) throw Fault("a % format ends within a place");
    spec.type = pattern_[at_++];
    if (value == nullptr) value = &next();
    spec.align = left ? '<' : spec.zeros && spec.type != 's' && spec.type != 'r' ? '\0' : '>';
    return typed(*value, spec);
  }

  std::string typed(const Value& value, Spec spec) {
    switch (spec.type) {
      case 'r':
      case 'a':
        spec.type = 's';
        return formatted(Value(to_repr(value, budget_)), spec, budget_);
      case 'd':
      case 'i':
      case 'u':
        spec.type = 'd';
        if (value.is_real() && std::abs(value.real()) < 9e18) {
          return formatted(Value(static_cast<int64_t>(value.real())), spec, budget_);
        }
        return formatted(value, spec, budget_);
      case 's':
      case 'x':
      case 'X':
      case 'o':
      case 'e':
      case 'E':
      case 'f':
      case 'F':
      case 'g':
      case 'G':
        return formatted(value, spec, budget_);
      default:
        throw Fault(fmt::format("Heed does not know the format %{}", spec.type));
    }
  }

  const std::string& pattern_;
  const Value& values_;
  Budget& budget_;
  size_t at_ = 0;
  size_t used_ = 0;
};

class Braces {
 public:
  Braces(const std::string& pattern, const Arguments& arguments, Budget& budget)
      : pattern_(pattern), arguments_(arguments), budget_(budget) {}

  std::string run() {
    std::string out;
    for (size_t at = 0; at < pattern_.size(); ++at) {
      const char c = pattern_[at];
      const bool twice = at + 1 < pattern_.size() && pattern_[at + 1] == c;
      if ((c == '{' || c == '}') && twice) {
        out += c;
        ++at;
      } else if (c == '{') {
        const size_t close = pattern_.find('}', at);
        if (close == std::string::npos) throw Fault("a format has a '{' without its '}'");
        out += field(std::string_view(pattern_).substr(at + 1, close - at - 1));
        at = close;
      } else if (c == '}') {
        throw Fault("a format has a '}' without its '{'");
      } else {
        out += c;
      }
    }
    return out;
  }

 private:
  const Value& argument(std::string_view name) {
    const bool number = std::all_of(name.begin(), name.end(), [](char c) {
      return std::isdigit(static_cast<unsigned char>(c)) != 0;
    });
    if (number) {
      size_t at = 0;
      const size_t index = name.empty() ? next_++ : static_cast<size_t>(read_number(name, at));
      if (index < arguments_.positional.size()) return arguments_.positional[index];
    }
    for (const auto& [known, value] : arguments_.named) {
      if (known == name) return value;
    }
    throw Fault(fmt::format("a format has no argument for '{{{}}}'", name));
  }

  std::string field(std::string_view text) {
    const size_t colon = text.find(':');
    const std::string_view spec = colon == std::string_view::npos ? "" : text.substr(colon + 1);
    std::string_view name = text.substr(0, colon);
    char conversion = 0;
    if (name.size() > 1 && name[name.size() - 2] == '!') {
      conversion = name.back();
      name.remove_suffix(2);
    }
    const Value& value = argument(name);
    if (conversion == 'r')
      return formatted(Value(to_repr(value, budget_)), read_spec(spec), budget_);
    if (conversion == 's')
      return formatted(Value(to_text(value, budget_)), read_spec(spec), budget_);
    if (conversion != 0)
      throw Fault(fmt::format("Heed does not know the conversion !{}", conversion));
    return formatted(value, read_spec(spec), budget_);
  }

  const std::string& pattern_;
  const Arguments& arguments_;
  Budget& budget_;
  size_t next_ = 0;
};

}  // namespace

std::string format_percent(const std::string& pattern, const Value& values, Budget& budget) {
  budget.step(pattern.size() / 16);
  return Percent(pattern, values, budget).run();
}

std::string format_braces(const std::string& pattern, const Arguments& arguments, Budget& budget) {
  budget.step(pattern.size() / 16);
  return Braces(pattern, arguments, budget).run();
}

}  // namespace heed::jinja
