#include "heed/text/jinja/print.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "heed/base/html.h"
#include "heed/text/unicode.h"

namespace heed::jinja {
namespace {

/// Python's str.isprintable() of a character.
bool is_printable(char32_t c) {
  if (c < 0x7F) return c >= 0x20;
  switch (utf8proc_category(static_cast<utf8proc_int32_t>(c))) {
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_CO:
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
    case UTF8PROC_CATEGORY_ZS:
      return false;
    default:
      return true;
  }
}

std::string repr_of(std::string_view text) {
  const bool has_single = text.find('\'') != std::string_view::npos;
  const bool has_double = text.find('"') != std::string_view::npos;
  const char32_t quote = has_single && !has_double ? U'"' : U'\'';
  std::string out(1, static_cast<char>(quote));
  for (const char32_t c : decode_utf8(text).chars) {
    if (c == quote || c == U'\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (c == U'\n') {
      out += "\\n";
    } else if (c == U'\r') {
      out += "\\r";
    } else if (c == U'\t') {
      out += "\\t";
    } else if (is_printable(c)) {
      append_utf8(out, c);
    } else {
      const auto code = static_cast<uint32_t>(c);
      out += c < 0x100     ? fmt::format("\\x{:02x}", code)
             : c < 0x10000 ? fmt::format("\\u{:04x}", code)
                           : fmt::format("\\U{:08x}", code);
    }
  }
  return out += static_cast<char>(quote);
}

class Printer {
 public:
  explicit Printer(Budget& budget) : budget_(budget) {}

  void repr(const Value& value) {
    budget_.step();
    const size_t before = out.size();
    if (value.is_text()) {
      out += repr_of(value.text());
    } else if (value.is_undefined()) {
      out += "Undefined";
    } else if (value.is_none()) {
      out += "None";
    } else if (value.is_bool()) {
      out += value.truth() ? "True" : "False";
    } else if (value.is_integer()) {
      out += fmt::format("{}", value.integer());
    } else if (value.is_real()) {
      out += real_text(value.real());
    } else if (value.is_dict()) {
      dict(value.dict().items());
    } else if (value.is_sequence()) {
      sequence(value.sequence());
    } else if (const Namespace* space = value.space()) {
      name_space(*space);
    } else {
      refuse(value);
    }
    // what a value holds has paid for itself
    const bool holds = value.is_dict() || value.is_sequence() || value.space() != nullptr;
    budget_.make(holds ? kBrackets : out.size() - before);
  }

  std::string out;

 private:
  static constexpr size_t kBrackets = 16;  // bytes, and the like

  [[noreturn]] static void refuse(const Value& value) {
    throw Fault(fmt::format("a value of type {} has no text of its own{}", value.type_name(),
                            value.is_sequence() ? "; |list makes a list of it" : ""));
  }

  void dict(const std::vector<std::pair<Value, Value>>& items) {
    out += '{';
    for (const auto& [key, value] : items) {
      if (&key != &items.front().first) out += ", ";
      repr(key);
      out += ": ";
      repr(value);
    }
    out += '}';
  }

  void name_space(const Namespace& space) {
    // namespaces can hold each other in a circle
    if (++spaces_ > kDeepestValue) throw Fault("namespaces hold each other too deep to be printed");
    out += "<Namespace {";
    for (const auto& [name, value] : space.names) {
      if (&name != &space.names.front().first) out += ", ";
      const size_t before = out.size();
      out += repr_of(name) + ": ";
      budget_.make(out.size() - before);
      repr(value);
    }
    out += "}>";
    --spaces_;
  }

  void sequence(const Sequence& sequence) {
    static constexpr std::array<std::pair<const char*, const char*>, 8> kAround = {
        {{"[", "]"},
         {"(", ")"},
         {"(", ")"},
         {nullptr, nullptr},
         {"dict_keys([", "])"},
         {"dict_values([", "])"},
         {"dict_items([", "])"},
         {nullptr, nullptr}}};
    const auto [open, close] = kAround[static_cast<size_t>(sequence.kind)];
    if (open == nullptr) {
      throw Fault("a generator or a range has no text of its own; |list makes a list of it");
    }
    out += open;
    for (size_t i = 0; i < sequence.elements.size(); ++i) {
      if (i > 0) out += ", ";
      repr(sequence.elements[i]);
    }
    if (open[0] == '(' && sequence.elements.size() == 1) out += ',';
    out += close;
  }

  Budget& budget_;
  int spaces_ = 0;
};

class JsonPrinter {
 public:
  JsonPrinter(const JsonStyle& style, Budget& budget) : style_(style), budget_(budget) {}

  void write(const Value& value) {
    budget_.step();
    const size_t before = out.size();
    if (value.is_none()) {
      out += "null";
    } else if (value.is_bool()) {
      out += value.truth() ? "true" : "false";
    } else if (value.is_number()) {
      number(value);
    } else if (value.is_text()) {
      text(value.text());
    } else if (value.is_dict()) {
      dict(value.dict());
    } else if (value.type_name() == "list" || value.type_name() == "tuple") {
      list(value.sequence());
    } else {
      throw Fault(fmt::format("a value of type {} cannot be written as JSON{}", value.type_name(),
                              value.is_undefined() ? ": " + value.why_undefined() : ""));
    }
    if (!value.is_dict() && !value.is_sequence()) budget_.make(out.size() - before);
  }

  std::string out;

 private:
  void number(const Value& value) {
    if (value.is_integer()) {
      out += fmt::format("{}", value.integer());
    } else if (std::isfinite(value.real())) {
      out += real_text(value.real());
    } else {
      out += std::isnan(value.real()) ? "NaN" : value.real() > 0 ? "Infinity" : "-Infinity";
    }
  }

  void escape(uint32_t unit) { out += fmt::format("\\u{:04x}", unit); }

  void text(std::string_view value) {
    out += '"';
    for (const char32_t c : decode_utf8(value).chars) {
      static constexpr std::string_view kSigns = "\"\\\n\r\t\f\b";
      static constexpr std::string_view kLetters = "\"\\nrtfb";
      const size_t sign = c < 0x80 ? kSigns.find(static_cast<char>(c)) : std::string_view::npos;
      if (sign != std::string_view::npos) {
        out += '\\';
        out += kLetters[sign];
      } else if (c < 0x20 || (style_.ensure_ascii && c > 0x7E && c < 0x10000)) {
        escape(c);
      } else if (style_.ensure_ascii && c >= 0x10000) {
        escape(0xD800 + ((c - 0x10000) >> 10));
        escape(0xDC00 + ((c - 0x10000) & 0x3FF));
      } else {
        append_utf8(out, c);
      }
    }
    out += '"';
  }

  void between(bool first) {
    if (!first) out += style_.between;
    if (style_.indented) {
      out += '\n';
      for (int i = 0; i < level_; ++i) out += style_.indent;
    }
    budget_.make(style_.between.size() + style_.indent.size() * static_cast<size_t>(level_) + 1);
  }

  template <class Items, class Write>
  void bracketed(char open, char close, const Items& items, Write write_item) {
    out += open;
    ++level_;
    bool first = true;
    for (const auto& item : items) {
      between(first);
      first = false;
      write_item(item);
    }
    --level_;
    if (!first && style_.indented) between(true);
    out += close;
    budget_.make(2);
  }

  void list(const Sequence& sequence) {
    bracketed('[', ']', sequence.elements, [this](const Value& element) { write(element); });
  }

  void dict(const Dict& dict) {
    auto items = dict.items();
    if (style_.sort_keys) {
      std::stable_sort(items.begin(), items.end(), [this](const auto& a, const auto& b) {
        return less(a.first, b.first, budget_);
      });
    }
    bracketed('{', '}', items, [this](const auto& item) {
      key(item.first);
      out += style_.after_key;
      budget_.make(style_.after_key.size());
      write(item.second);
    });
  }

  void key(const Value& value) {
    if (value.is_text()) {
      const size_t before = out.size();
      text(value.text());
      return budget_.make(out.size() - before);
    }
    out += '"';
    write(value);
    out += '"';
  }

  const JsonStyle& style_;
  Budget& budget_;
  int level_ = 0;
};

}  // namespace

std::string real_text(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::array<char, 40> buffer{};
  const double size = std::abs(value);
  const bool plain = size == 0 || (size >= 1e-4 && size < 1e16);
  const auto format = plain ? std::chars_format::fixed : std::chars_format::scientific;
  const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value, format);
  std::string text(buffer.data(), end.ptr);
  if (plain && text.find('.') == std::string::npos) text += ".0";
  return text;
}

std::string to_text(const Value& value, Budget& budget) {
  if (value.is_text()) return value.text();
  return value.is_undefined() ? std::string() : to_repr(value, budget);
}

std::string to_repr(const Value& value, Budget& budget) {
  Printer printer(budget);
  printer.repr(value);
  return std::move(printer.out);
}

std::string to_json(const Value& value, const JsonStyle& style, Budget& budget) {
  JsonPrinter printer(style, budget);
  printer.write(value);
  return std::move(printer.out);
}

std::string markup_of(const Value& value, Budget& budget) {
  return value.is_markup() ? value.text() : html_escaped(to_text(value, budget));
}

}  // namespace heed::jinja
