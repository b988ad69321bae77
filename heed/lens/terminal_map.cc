#include <algorithm>
#include <cmath>

#include "heed/lens/labels.h"
#include "heed/lens/terminal_paint.h"

namespace heed {
namespace {

constexpr int kWidestLabel = 14;     // columns for a row's word
constexpr int kWidestColumn = 12;    // columns for a word above a column
constexpr int kNarrowestColumn = 6;  // below this words stand upright
constexpr int kUprightCell = 2;      // two characters are about a square
constexpr size_t kTallestLabel = 8;  // lines for upright words
constexpr int64_t kMostBlocks = 3;   // a map folds into that many blocks before it is shrunk
constexpr int64_t kMostRows = 120;

class MapDrawing {
 public:
  MapDrawing(const HeatMap& map, const TerminalPaint& paint)
      : map_(map), paint_(paint), style_(paint.style()), range_(value_range(map)) {}

  std::string run(bool legend) {
    measure();
    title();
    const int64_t columns = values_.size(1);
    for (int64_t begin = 0; begin < std::max<int64_t>(columns, 1); begin += per_block_) {
      if (begin > 0) out_ += '\n';
      const int64_t end = std::min(columns, begin + per_block_);
      header(begin, end);
      for (int64_t row = 0; row < values_.size(0); ++row) line(row, begin, end);
    }
    if (legend) {
      add_line(out_, std::string(static_cast<size_t>(label_ + 1), ' ') +
                         paint_.legend(range_, style_.width - label_ - 1));
    }
    return std::move(out_);
  }

 private:
  std::string number(int64_t row, int64_t column) const {
    return format_value(values_.at({row, column}), 2);
  }

  static int widest(const std::vector<std::string>& labels) {
    int width = 0;
    for (const std::string& label : labels) width = std::max(width, display_width(label));
    return width;
  }

  void measure() {
    const int64_t all = map_.values.size(1);
    const int marker = map_.marked_rows.empty() ? 0 : 2;
    // Rows have a number where they have no word.
    const int row_label = map_.row_labels.empty()
                              ? static_cast<int>(std::to_string(map_.values.size(0)).size())
                              : std::min(kWidestLabel, widest(clean(map_.row_labels)));
    label_ = std::max(1, std::min(row_label + marker, style_.width / 3));
    const int room = std::max(1, style_.width - label_ - 1);
    int number_width = 0;
    if (style_.numbers) {
      values_ = map_.values.contiguous();
      for (const float value : values_.span<const float>()) {
        number_width = std::max(number_width, static_cast<int>(format_value(value, 2).size()));
      }
      ++number_width;
    }
    const int word = std::min(kWidestColumn, widest(clean(map_.column_labels))) + 1;
    const int share = static_cast<int>(room / std::max<int64_t>(all, 1));
    const int wanted = std::max(word, std::max(number_width, 3));
    flat_ = share >= std::min(wanted, kNarrowestColumn) || map_.column_labels.empty();
    cell_ = std::max(number_width, kUprightCell);
    if (flat_) cell_ = std::max(cell_, std::min(wanted, share));
    if (style_.numbers && !map_.column_labels.empty() && share < wanted) {
      flat_ = cell_ >= 5;  // folded anyway, and numbers make room for the start of a word
    }
    cell_ = std::min(cell_, room);
    per_block_ = std::max<int64_t>(1, room / cell_);
    shrink_to(all, room);
  }

  void shrink_to(int64_t all, int room) {
    const bool too_wide = !style_.numbers && all > kMostBlocks * per_block_;
    const Shrunk small = shrink(map_.values, style_.numbers ? map_.values.size(0) : kMostRows,
                                too_wide ? std::max(1, room / kUprightCell) : all);
    values_ = small.values;
    factor_ = std::max(small.row_factor, small.column_factor);
    rows_ = shrunk_labels(map_.row_labels, small.row_factor);
    columns_ = shrunk_labels(map_.column_labels, small.column_factor);
  }

  static std::vector<std::string> clean(const std::vector<std::string>& labels) {
    return shrunk_labels(labels, 1);
  }

  void title() {
    std::string text = clean_label(map_.title);
    if (factor_ > 1) {
      text += (text.empty() ? "" : ", ") + std::string("the largest of up to ") +
              std::to_string(factor_) + " x " + std::to_string(factor_) + " a square";
    }
    for (const std::string& part : wrap(text, style_.width, style_.unicode)) {
      add_line(out_, paint_.bold(part));
    }
  }

  void header(int64_t begin, int64_t end) {
    if (columns_.empty()) return;
    const std::string indent(static_cast<size_t>(label_ + 1), ' ');
    if (flat_) {
      std::string text = indent;
      for (int64_t c = begin; c < end; ++c) {
        const std::string& label = columns_[static_cast<size_t>(c)];
        text += pad_center(shorten(label, cell_ - 1, style_.unicode), cell_, style_.unicode);
      }
      add_line(out_, text);
      return;
    }
    std::vector<std::vector<std::string>> letters;  // of each column, top to bottom
    size_t height = 0;
    for (int64_t c = begin; c < end; ++c) {
      letters.push_back(graphemes(columns_[static_cast<size_t>(c)]));
      auto& stack = letters.back();
      if (stack.size() > kTallestLabel) {
        stack.resize(kTallestLabel - 1);
        stack.emplace_back(style_.unicode ? "…" : "~");
      }
      height = std::max(height, stack.size());
    }
    for (size_t i = 0; i < height; ++i) {
      std::string text = indent;
      for (const auto& stack : letters) {
        const size_t skip = height - stack.size();
        text += pad_right(i >= skip ? stack[i - skip] : "", cell_, style_.unicode);
      }
      add_line(out_, text);
    }
  }

  void line(int64_t row, int64_t begin, int64_t end) {
    const auto& marked = map_.marked_rows;
    const bool is_marked =
        factor_ == 1 && std::find(marked.begin(), marked.end(), row) != marked.end();
    std::string label = rows_.empty() ? std::to_string(row) : rows_[static_cast<size_t>(row)];
    if (is_marked)
      label = (style_.unicode ? "▸ " : "> ") + shorten(label, label_ - 2, style_.unicode);
    label = pad_left(label, label_, style_.unicode);
    std::string text = (is_marked ? paint_.bold(label) : label) + " ";
    for (int64_t c = begin; c < end; ++c) {
      text += paint_.cell(values_.at({row, c}), range_, cell_,
                          style_.numbers ? number(row, c) : std::string());
    }
    add_line(out_, text);
  }

  const HeatMap& map_;
  const TerminalPaint& paint_;
  const TerminalStyle& style_;
  ValueRange range_;
  Tensor values_;
  std::vector<std::string> rows_;
  std::vector<std::string> columns_;
  int64_t factor_ = 1;
  int label_ = 1;  // columns for row labels
  int cell_ = 1;   // columns for a cell
  bool flat_ = true;
  int64_t per_block_ = 1;
  std::string out_;
};

}  // namespace

std::string draw_terminal_map(const HeatMap& map, const TerminalPaint& paint, bool legend) {
  return MapDrawing(map, paint).run(legend);
}

}  // namespace heed
