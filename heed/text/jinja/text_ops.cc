#include "heed/text/jinja/text_ops.h"

#include <string.h>
#include <utf8proc.h>

#include <algorithm>

#include "heed/text/unicode.h"

namespace heed::jinja {
namespace {

constexpr char32_t kSharpS = 0xDF;
constexpr size_t kNone = std::string_view::npos;

char32_t simple_upper(char32_t c) {
  return static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c)));
}
char32_t simple_lower_of(char32_t c) {
  return static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c)));
}
int category(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

bool is_upper(char32_t c) { return category(c) == UTF8PROC_CATEGORY_LU; }
bool is_lower(char32_t c) { return category(c) == UTF8PROC_CATEGORY_LL; }
bool is_cased(char32_t c) {
  return is_upper(c) || is_lower(c) || category(c) == UTF8PROC_CATEGORY_LT;
}

void append_upper(std::string& out, char32_t c, bool first_only) {
  if (c == kSharpS) {
    out += first_only ? "Ss" : "SS";
  } else {
    append_utf8(out, simple_upper(c));
  }
}

/// Each character as write(out, c, the one before) puts it.
template <class Write>
std::string rewritten(std::string_view text, Write write) {
  std::string out;
  out.reserve(text.size());
  char32_t before = 0;
  for (const char32_t c : decode_utf8(text).chars) {
    write(out, c, before);
    before = c;
  }
  return out;
}

bool ends_line(char32_t c) {
  return (c >= U'\n' && c <= U'\r') || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 ||
         c == 0x2029;
}

/// Parts of a text as they are found.
class Parts {
 public:
  explicit Parts(Budget* budget) : budget_(budget) {}

  void add(std::string part) {
    if (budget_ != nullptr) budget_->make(sizeof(part));
    parts_.push_back(std::move(part));
  }
  int64_t size() const { return std::ssize(parts_); }
  std::vector<std::string> take() { return std::move(parts_); }
  std::vector<std::string> take_backwards() {
    std::reverse(parts_.begin(), parts_.end());
    return take();
  }

 private:
  Budget* budget_;
  std::vector<std::string> parts_;
};

std::vector<std::string> words_of(std::u32string_view chars, int64_t most, Parts out) {
  for (size_t at = 0;;) {
    while (at < chars.size() && is_python_space(chars[at])) ++at;
    if (at == chars.size()) return out.take();
    if (most >= 0 && out.size() == most) {
      while (is_python_space(chars.back())) chars.remove_suffix(1);
      out.add(to_utf8(chars.substr(at)));
      return out.take();
    }
    const size_t begin = at;
    while (at < chars.size() && !is_python_space(chars[at])) ++at;
    out.add(to_utf8(chars.substr(begin, at - begin)));
  }
}

std::vector<std::string> words_from_right(std::u32string_view chars, int64_t most, Parts out) {
  for (size_t end = chars.size();;) {
    while (end > 0 && is_python_space(chars[end - 1])) --end;
    if (end == 0) break;
    if (most >= 0 && out.size() == most) {
      size_t begin = 0;
      while (is_python_space(chars[begin])) ++begin;
      out.add(to_utf8(chars.substr(begin, end - begin)));
      break;
    }
    size_t begin = end;
    while (begin > 0 && !is_python_space(chars[begin - 1])) --begin;
    out.add(to_utf8(chars.substr(begin, end - begin)));
    end = begin;
  }
  return out.take_backwards();
}

std::vector<std::string> parts_of(std::string_view text, std::string_view separator, int64_t most,
                                  Parts out) {
  size_t at = 0;
  for (int64_t cuts = 0; most < 0 || cuts < most; ++cuts) {
    const size_t found = find_text(text, separator, at);
    if (found == kNone) break;
    out.add(std::string(text.substr(at, found - at)));
    at = found + separator.size();
  }
  out.add(std::string(text.substr(at)));
  return out.take();
}

std::vector<std::string> parts_from_right(std::string_view text, std::string_view separator,
                                          int64_t most, Parts out) {
  for (int64_t cuts = 0; most < 0 || cuts < most; ++cuts) {
    const size_t found = text.rfind(separator);
    if (found == kNone) break;
    out.add(std::string(text.substr(found + separator.size())));
    text = text.substr(0, found);
  }
  out.add(std::string(text));
  return out.take_backwards();
}

}  // namespace

std::string upper(std::string_view text) {
  return rewritten(text,
                   [](std::string& out, char32_t c, char32_t) { append_upper(out, c, false); });
}

std::string lower(std::string_view text) {
  return rewritten(
      text, [](std::string& out, char32_t c, char32_t) { append_utf8(out, simple_lower_of(c)); });
}

std::string capitalized(std::string_view text) {
  return rewritten(text, [](std::string& out, char32_t c, char32_t) {
    if (out.empty()) {
      append_upper(out, c, true);
    } else {
      append_utf8(out, simple_lower_of(c));
    }
  });
}

std::string title_case(std::string_view text) {
  return rewritten(text, [](std::string& out, char32_t c, char32_t before) {
    if (is_cased(before)) {
      append_utf8(out, simple_lower_of(c));
    } else {
      append_upper(out, c, true);
    }
  });
}

std::string swapped_case(std::string_view text) {
  return rewritten(text, [](std::string& out, char32_t c, char32_t) {
    if (is_lower(c)) {
      append_upper(out, c, false);
    } else {
      append_utf8(out, simple_lower_of(c));
    }
  });
}

std::string stripped(std::string_view text, const std::optional<std::string>& chars, bool left,
                     bool right) {
  const std::u32string decoded = decode_utf8(text).chars;
  const std::u32string any = chars ? decode_utf8(*chars).chars : std::u32string();
  const auto goes = [&](char32_t c) {
    return chars ? any.find(c) != std::u32string::npos : is_python_space(c);
  };
  std::u32string_view rest = decoded;
  while (left && !rest.empty() && goes(rest.front())) rest.remove_prefix(1);
  while (right && !rest.empty() && goes(rest.back())) rest.remove_suffix(1);
  return to_utf8(rest);
}

std::vector<std::string> split(std::string_view text, const std::optional<std::string>& separator,
                               int64_t most, bool from_right, Budget* budget) {
  if (!separator) {
    const std::u32string chars = decode_utf8(text).chars;
    return from_right ? words_from_right(chars, most, Parts(budget))
                      : words_of(chars, most, Parts(budget));
  }
  if (separator->empty()) throw Fault("split: the separator must not be empty");
  return from_right ? parts_from_right(text, *separator, most, Parts(budget))
                    : parts_of(text, *separator, most, Parts(budget));
}

std::vector<std::string> split_lines(std::string_view text, bool keep_ends, Budget* budget) {
  const std::u32string decoded = decode_utf8(text).chars;
  const std::u32string_view chars = decoded;
  Parts out(budget);
  for (size_t at = 0; at < chars.size();) {
    size_t end = at;
    while (end < chars.size() && !ends_line(chars[end])) ++end;
    size_t next = std::min(end + 1, chars.size());
    if (chars.substr(end).starts_with(U"\r\n")) ++next;
    out.add(to_utf8(chars.substr(at, (keep_ends ? next : end) - at)));
    at = next;
  }
  return out.take();
}

std::string joined(std::string_view separator, const std::vector<std::string>& parts,
                   Budget& budget) {
  size_t size = parts.empty() ? 0 : separator.size() * (parts.size() - 1);
  for (const std::string& part : parts) size += part.size();
  budget.make(size);
  std::string out;
  out.reserve(size);
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) out += separator;
    out += parts[i];
  }
  return out;
}

std::string replaced(std::string_view text, std::string_view old, std::string_view fresh,
                     int64_t most, Budget& budget) {
  std::string out;
  size_t done = 0;
  budget.make(text.size());
  budget.step(text.size() / 16);
  for (int64_t count = 0; most < 0 || count < most; ++count) {
    size_t at = old.empty() ? done : find_text(text, old, done);
    if (old.empty() && count > 0) {  // between all characters, and at both ends
      if (done >= text.size()) break;
      at = done + 1;
      while (at < text.size() && (static_cast<uint8_t>(text[at]) & 0xC0) == 0x80) ++at;
    }
    if (at == kNone) break;
    budget.make(fresh.size());
    out.append(text, done, at - done).append(fresh);
    done = at + old.size();
  }
  return out.append(text, done);
}

std::string aligned(std::string_view text, int64_t width, std::string_view fill, char align,
                    Budget& budget) {
  const int64_t size = length_of(Value(std::string(text)));
  const int64_t missing = std::max<int64_t>(std::max<int64_t>(width, 0) - size, 0);
  constexpr int64_t kMost = int64_t{1} << 40;  // times a character's bytes, it does not overflow
  if (missing > kMost) throw BudgetFault("the template makes too much text");
  budget.make(static_cast<size_t>(missing) * fill.size() + text.size());
  // as CPython divides an odd number in center()
  const int64_t before = align == '<'   ? 0
                         : align == '>' ? missing
                                        : missing / 2 + (missing & width & 1);
  std::string out;
  for (int64_t i = 0; i < before; ++i) out += fill;
  out += text;
  for (int64_t i = before; i < missing; ++i) out += fill;
  return out;
}

bool all_characters(std::string_view text, const std::function<bool(char32_t)>& property) {
  const std::u32string chars = decode_utf8(text).chars;
  return !chars.empty() && std::all_of(chars.begin(), chars.end(), property);
}

bool is_letter(char32_t c) {
  const int kind = category(c);
  return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_LO;
}
bool is_decimal(char32_t c) { return category(c) == UTF8PROC_CATEGORY_ND; }
bool is_digit(char32_t c) {
  return is_decimal(c) || c == 0xB2 || c == 0xB3 || c == 0xB9 || c == 0x2070 ||
         (c >= 0x2074 && c <= 0x2079) || (c >= 0x2080 && c <= 0x2089);
}
bool is_numeric(char32_t c) {
  const int kind = category(c);
  return kind >= UTF8PROC_CATEGORY_ND && kind <= UTF8PROC_CATEGORY_NO;
}

bool is_upper_case(std::string_view text) {
  const std::u32string chars = decode_utf8(text).chars;
  return std::any_of(chars.begin(), chars.end(), is_cased) &&
         std::none_of(chars.begin(), chars.end(),
                      [](char32_t c) { return is_cased(c) && !is_upper(c); });
}

bool is_lower_case(std::string_view text) {
  const std::u32string chars = decode_utf8(text).chars;
  return std::any_of(chars.begin(), chars.end(), is_cased) &&
         std::none_of(chars.begin(), chars.end(),
                      [](char32_t c) { return is_cased(c) && !is_lower(c); });
}

size_t find_text(std::string_view text, std::string_view needle, size_t from) {
  if (from > text.size()) return kNone;
  const void* found = memmem(text.data() + from, text.size() - from, needle.data(), needle.size());
  return found == nullptr ? kNone
                          : static_cast<size_t>(static_cast<const char*>(found) - text.data());
}

}  // namespace heed::jinja
