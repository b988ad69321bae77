#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "heed/lens/labels.h"
#include "heed/lessons/lesson.h"

namespace heed {
namespace {

constexpr int kIndent = 3;
constexpr int kMaxLabel = 20;   // columns of a row's label
constexpr int kMaxColumn = 14;  // columns of a column's label

std::string number_text(float value, int decimals) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  // an exact zero (a masked weight, say) is told apart from a small number
  if (value == 0) return "0";
  const std::string text = fmt::format("{:.{}f}", value, decimals);
  const bool rounds_to_zero = text.find_first_not_of("-0.") == std::string::npos;
  return rounds_to_zero && text[0] == '-' ? text.substr(1) : text;
}

// The fewest digits that print all values as with `most` digits: counts print as 2, not 2.0000.
int digits_needed(const Step& step) {
  int needed = 0;
  for (const float value : step.values.contiguous().span<float>()) {
    const std::string text = number_text(value, step.decimals);
    const size_t point = text.find('.');
    if (point == std::string::npos) continue;
    const size_t last = text.find_last_not_of('0');
    needed = std::max(needed, static_cast<int>(last - point));
  }
  return needed;
}

/// A step's numbers as aligned columns under their labels, folded into groups that fit.
class TableText {
 public:
  TableText(const Step& step, const TerminalStyle& style)
      : step_(step),
        style_(style),
        digits_(digits_needed(step)),
        rows_(std::min(step.values.size(0), kMaxShown)),
        columns_(std::min(step.values.size(1), kMaxShown)) {
    for (int64_t r = 0; r < rows_; ++r) {
      label_width_ = std::max(label_width_, std::min(kMaxLabel, display_width(row_label(r))));
    }
    for (int64_t c = 0; c < columns_; ++c) widths_.push_back(column_width(c));
    if (group_end(0) < columns_) gap_ = 1;  // closer together where that saves a fold
    if (group_end(0) < columns_) gap_ = 2;
  }

  std::string text() const {
    std::string out;
    for (int64_t begin = 0; begin < columns_;) {
      const int64_t end = group_end(begin);
      if (begin > 0) out += '\n';
      out += header(begin, end);
      for (int64_t r = 0; r < rows_; ++r) out += row(r, begin, end);
      begin = end;
    }
    return out + left_out();
  }

 private:
  static std::string label(const std::vector<std::string>& labels, int64_t i) {
    return labels.empty() ? std::to_string(i + 1) : clean_label(labels[static_cast<size_t>(i)]);
  }
  std::string row_label(int64_t r) const { return label(step_.rows, r); }
  std::string column_label(int64_t c) const { return label(step_.columns, c); }
  std::string cell(int64_t r, int64_t c) const {
    return number_text(step_.values.at({r, c}), digits_);
  }

  int column_width(int64_t c) const {
    int width = std::min(kMaxColumn, display_width(column_label(c)));
    for (int64_t r = 0; r < rows_; ++r)
      width = std::max(width, static_cast<int>(cell(r, c).size()));
    return width;
  }

  int width_of(int64_t c) const { return widths_[static_cast<size_t>(c)]; }

  int64_t group_end(int64_t begin) const {
    int left = style_.width - kIndent - label_width_;
    int64_t end = begin;
    while (end < columns_) {
      left -= gap_ + width_of(end);
      if (left < 0 && end > begin) break;
      ++end;
    }
    return end;
  }

  std::string header(int64_t begin, int64_t end) const {
    std::string out(static_cast<size_t>(kIndent + label_width_), ' ');
    for (int64_t c = begin; c < end; ++c) {
      out += std::string(static_cast<size_t>(gap_), ' ') +
             pad_left(column_label(c), width_of(c), style_.unicode);
    }
    return out + '\n';
  }

  std::string row(int64_t r, int64_t begin, int64_t end) const {
    std::string out(kIndent, ' ');
    out += pad_right(row_label(r), label_width_, style_.unicode);
    for (int64_t c = begin; c < end; ++c) {
      out += fmt::format("{:>{}}", cell(r, c), gap_ + width_of(c));
    }
    return out + '\n';
  }

  std::string left_out() const {
    const int64_t rows = step_.values.size(0) - rows_;
    const int64_t columns = step_.values.size(1) - columns_;
    if (rows == 0 && columns == 0) return {};
    return fmt::format("{:{}}and {} more rows, {} more columns: --json gives them all\n", "",
                       kIndent, rows, columns);
  }

  const Step& step_;
  const TerminalStyle& style_;
  int digits_;
  int64_t rows_;
  int64_t columns_;
  int label_width_ = 0;
  std::vector<int> widths_;  // of each column
  int gap_ = 2;              // spaces before each column
};

std::string strong(const std::string& text, const TerminalStyle& style) {
  return style.colors == Colors::none ? text : "\033[1m" + text + "\033[0m";
}

std::string indented(std::string_view text, const TerminalStyle& style) {
  std::string out;
  for (const std::string& line : wrap(text, style.width - kIndent, style.unicode)) {
    out += std::string(kIndent, ' ') + line + '\n';
  }
  return out;
}

std::string indented_map(const Step& step, TerminalStyle style) {
  HeatMap map = heat_map_of(step);
  map.title.clear();  // it would repeat the heading of the step
  style.width -= kIndent;
  std::istringstream lines(draw_terminal({.maps = {std::move(map)}}, style));
  std::string out;
  for (std::string line; std::getline(lines, line);) {
    out += line.empty() ? "\n" : std::string(kIndent, ' ') + line + '\n';
  }
  return out;
}

// "[T=6, S=6]"
std::string shape_text(const Step& step) {
  std::string out;
  int dim = 0;
  for (const char letter : step.letters) {
    if (letter == ' ') continue;
    out += fmt::format("{}{}={}", out.empty() ? "" : ", ", letter, step.values.size(dim++));
  }
  return "[" + out + "]";
}

std::string draw_step(size_t number, const Step& step, const TerminalStyle& style) {
  const std::string shape = shape_text(step);
  const std::string name = fmt::format("{}. {}", number, clean_label(step.name));
  const int room = style.width - static_cast<int>(shape.size());
  std::string out =
      strong(pad_right(name, std::max(room - 1, 1), style.unicode), style) + " " + shape + "\n";
  out += indented(step.formula, style) + "\n";
  if (step.numbers) out += TableText(step, style).text() + "\n";
  if (step.heat_map) out += indented_map(step, style) + "\n";
  return out + indented(step.says, style) + "\n";
}

}  // namespace

std::string draw_walk(std::string_view title, const std::vector<Step>& steps,
                      const TerminalStyle& style) {
  std::string out = strong(std::string(title), style) + "\n\n";
  for (size_t i = 0; i < steps.size(); ++i) {
    if (!steps[i].section.empty()) out += strong("== " + steps[i].section + " ==", style) + "\n\n";
    out += draw_step(i + 1, steps[i], style);
  }
  out.pop_back();
  return out;
}

}  // namespace heed
