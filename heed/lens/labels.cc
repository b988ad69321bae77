#include "heed/lens/labels.h"

#include <fmt/format.h>
#include <utf8proc.h>

#include <algorithm>
#include <cmath>

namespace heed {
namespace {

struct CodePoint {
  utf8proc_int32_t value;
  size_t bytes;
};

CodePoint first_of(std::string_view text) {
  utf8proc_int32_t value = -1;
  const auto read = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                     static_cast<utf8proc_ssize_t>(text.size()), &value);
  return read > 0 ? CodePoint{value, static_cast<size_t>(read)} : CodePoint{0xFFFD, 1};
}

void append(std::string& out, utf8proc_int32_t value) {
  utf8proc_uint8_t bytes[4];
  const auto n = utf8proc_encode_char(value, bytes);
  out.append(reinterpret_cast<const char*>(bytes), static_cast<size_t>(n));
}

bool is_joiner(utf8proc_int32_t value) { return value == 0x200D || value == 0x200C; }

// A grapheme is as wide as its widest code point (an emoji sequence is one emoji wide).
int cluster_width(std::string_view cluster) {
  int width = 0;
  while (!cluster.empty()) {
    const CodePoint c = first_of(cluster);
    width = std::max(width, utf8proc_charwidth(c.value));
    cluster.remove_prefix(c.bytes);
  }
  return width;
}

/// What stands for what was cut, on such a terminal.
const char* ellipsis_of(bool unicode) { return unicode ? "…" : "~"; }

}  // namespace

std::string clean_label(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const CodePoint c = first_of(text);
    text.remove_prefix(c.bytes);
    switch (utf8proc_category(c.value)) {
      case UTF8PROC_CATEGORY_CC:
      case UTF8PROC_CATEGORY_ZL:
      case UTF8PROC_CATEGORY_ZP:
        out += ' ';
        break;
      case UTF8PROC_CATEGORY_CF:  // joiners hold emoji and scripts together; the rest is unseen
        if (is_joiner(c.value)) append(out, c.value);
        break;
      case UTF8PROC_CATEGORY_CS:
        append(out, 0xFFFD);
        break;
      default:
        append(out, c.value);
    }
  }
  return out;
}

std::vector<std::string> graphemes(std::string_view text) {
  std::vector<std::string> out;
  utf8proc_int32_t previous = 0;
  utf8proc_int32_t state = 0;
  while (!text.empty()) {
    const CodePoint c = first_of(text);
    const bool starts = out.empty() || utf8proc_grapheme_break_stateful(previous, c.value, &state);
    if (starts) out.emplace_back();
    out.back().append(text.substr(0, c.bytes));
    text.remove_prefix(c.bytes);
    previous = c.value;
  }
  return out;
}

std::string word_label(std::string_view text) {
  const std::string label = clean_label(text);
  const size_t first = label.find_first_not_of(' ');
  if (first == std::string::npos) return {};
  return label.substr(first, label.find_last_not_of(' ') + 1 - first);
}

std::string as_sentence(std::string_view text) {
  std::string label = word_label(text);
  for (const std::string_view sign : {".", "!", "?", "…", "。", "！", "？"}) {
    if (label.ends_with(sign)) return label;
  }
  return label.empty() ? label : label + ".";
}

std::string visible_token(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == ' ') {
      out += "␣";
    } else if (c == '\n') {
      out += "⏎";
    } else if (c == '\t') {
      out += "⇥";
    } else {
      out += c;
    }
  }
  return clean_label(out);
}

int display_width(std::string_view text) {
  int width = 0;
  for (const std::string& cluster : graphemes(text)) width += cluster_width(cluster);
  return width;
}

std::string shorten(std::string_view text, double limit, const Measure& measure,
                    std::string_view ellipsis) {
  if (measure(text) <= limit) return std::string(text);
  std::string out;
  for (const std::string& cluster : graphemes(text)) {
    std::string longer = out + cluster;
    if (measure(longer + std::string(ellipsis)) > limit) break;
    out = std::move(longer);
  }
  return measure(out + std::string(ellipsis)) <= limit ? out + std::string(ellipsis) : "";
}

std::string shorten(std::string_view text, int columns, bool unicode) {
  return shorten(text, columns, display_width, ellipsis_of(unicode));
}

std::string pad_right(std::string_view text, int columns, bool unicode) {
  std::string out = shorten(text, columns, unicode);
  out.append(static_cast<size_t>(std::max(0, columns - display_width(out))), ' ');
  return out;
}

std::string pad_left(std::string_view text, int columns, bool unicode) {
  const std::string out = shorten(text, columns, unicode);
  return std::string(static_cast<size_t>(std::max(0, columns - display_width(out))), ' ') + out;
}

std::string pad_center(std::string_view text, int columns, bool unicode) {
  const std::string out = shorten(text, columns, unicode);
  const int left = std::max(0, columns - display_width(out)) / 2;
  return pad_right(std::string(static_cast<size_t>(left), ' ') + out, columns, unicode);
}

std::string format_value(float value, int digits) {
  if (std::isnan(value)) return "-";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  std::string out = fmt::format("{:.{}f}", value, std::fabs(value) >= 1000 ? 0 : digits);
  if (out.front() == '-' && out.find_first_not_of("-0.") == std::string::npos) out.erase(0, 1);
  return out;
}

std::vector<std::string> run_labels(const std::vector<int64_t>& edges,
                                    std::vector<std::string> labels) {
  const bool named = !labels.empty();
  labels.resize(edges.empty() ? 0 : edges.size() - 1);
  for (size_t i = 0; i < labels.size(); ++i) {
    const int64_t last = edges[i + 1] - 1;
    if (last != edges[i]) {
      labels[i] = fmt::format("{}-{}", edges[i], last);
    } else if (!named) {
      labels[i] = fmt::format("{}", last);
    }
  }
  return labels;
}

std::vector<std::string> wrap(std::string_view text, double limit, const Measure& measure,
                              std::string_view ellipsis) {
  std::vector<std::string> lines;
  std::string line;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    const std::string word = shorten(text.substr(0, end), limit, measure, ellipsis);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.empty() && measure(line + " " + word) > limit) {
      lines.push_back(std::move(line));
      line.clear();
    }
    if (!line.empty()) line += ' ';
    line += word;
  }
  if (!line.empty()) lines.push_back(std::move(line));
  return lines;
}

std::vector<std::string> wrap(std::string_view text, int columns, bool unicode) {
  return wrap(text, columns, display_width, ellipsis_of(unicode));
}

}  // namespace heed
