#include "heed/lens/token_table.h"

#include <algorithm>
#include <memory>

#include "heed/base/file.h"
#include "heed/base/paths.h"
#include "heed/lens/canvas.h"
#include "heed/lens/colors.h"
#include "heed/lens/labels.h"
#include "heed/lens/terminal_paint.h"

namespace heed {
namespace {

constexpr int kWidestRow = 14, kWidestCell = 12, kNarrowestCell = 6;  // terminal columns
constexpr int kNumber = 5;                                            // with the space before it
constexpr double kCellWidth = 62, kCellHeight = 17, kRowLabel = 78;   // points
constexpr double kText = 9, kTitle = 14, kTitleLine = 19, kMargin = 18;
constexpr ValueRange kRange{0, 1};

int widest(const std::vector<std::string>& labels, int most) {
  int width = 1;
  for (const std::string& label : labels) width = std::max(width, display_width(label));
  return std::min(width, most);
}

const std::string& cell_of(const TokenTable& table, int64_t row, int64_t column) {
  return table.cells[static_cast<size_t>(row * table.values.size(1) + column)];
}

HeatMap heat_map(const TokenTable& table) {
  HeatMap map{.title = table.title, .values = table.values};
  map.row_labels = table.row_labels;
  map.column_labels = table.column_labels;
  map.cells = table.cells;
  map.lowest = kRange.lowest;
  map.highest = kRange.highest;
  return map;
}

class Page {
 public:
  Page(const TokenTable& table, Theme theme)
      : table_(table), theme_(theme), colors_(page_colors(theme)) {
    width_ = 2 * kMargin + kRowLabel + kCellWidth * static_cast<double>(table.values.size(1));
    const double room = width_ - 2 * kMargin;
    title_ = wrap(clean_label(table.title), room,
                  [](std::string_view text) { return text_width(text, kTitle, true); });
    caption_ = wrap(table.caption, room,
                    [](std::string_view text) { return text_width(text, kText, false); });
    top_ = kMargin + kTitleLine * static_cast<double>(title_.size()) + 9 + kCellHeight;
    bottom_ = top_ + kCellHeight * static_cast<double>(table.values.size(0));
  }

  double width() const { return width_; }
  double height() const {
    return bottom_ + 12 + 14 * static_cast<double>(caption_.size()) + kMargin;
  }

  void draw(Canvas& canvas) const {
    canvas.rectangle({0, 0, width(), height()}, colors_.page);
    double y = kMargin + kTitle;
    for (const std::string& line : title_) {
      canvas.text(kMargin, y, line, {.size = kTitle, .color = colors_.ink, .bold = true});
      y += kTitleLine;
    }
    for (int64_t c = 0; c < table_.values.size(1); ++c) {
      label(canvas, left(c) + kCellWidth / 2, top_ - 6, kCellWidth - 4,
            table_.column_labels[static_cast<size_t>(c)],
            {.size = kText, .color = colors_.ink, .anchor = Anchor::middle, .bold = true});
    }
    for (int64_t r = 0; r < table_.values.size(0); ++r) row(canvas, r);
    y = bottom_ + 12 + kText;
    for (const std::string& line : caption_) {
      canvas.text(kMargin, y, line, {.size = kText, .color = colors_.faint});
      y += 14;
    }
  }

 private:
  static double left(int64_t column) {
    return kMargin + kRowLabel + kCellWidth * static_cast<double>(column);
  }

  void row(Canvas& canvas, int64_t r) const {
    const double y = top_ + kCellHeight * static_cast<double>(r);
    const double base = y + kCellHeight / 2 + kText * 0.36;
    label(canvas, kMargin + kRowLabel - 6, base, kRowLabel - 6,
          table_.row_labels[static_cast<size_t>(r)],
          {.size = kText, .color = colors_.ink, .anchor = Anchor::end});
    for (int64_t c = 0; c < table_.values.size(1); ++c) {
      const float value = table_.values.at({r, c});
      const Rgb fill = heat_color(value, theme_);
      const std::string& said = cell_of(table_, r, c);
      canvas.rectangle({left(c) + 0.5, y + 0.5, kCellWidth - 1, kCellHeight - 1}, fill,
                       said + " " + format_value(value, 4));
      label(canvas, left(c) + kCellWidth / 2, base, kCellWidth - 5, said,
            {.size = kText, .color = ink_on(fill), .anchor = Anchor::middle});
    }
  }

  static void label(Canvas& canvas, double x, double y, double room, const std::string& text,
                    const TextStyle& style) {
    canvas.text(
        x, y,
        shorten(text, room,
                [&](std::string_view part) { return text_width(part, style.size, style.bold); }),
        style);
  }

  const TokenTable& table_;
  Theme theme_;
  const PageColors& colors_;
  double width_ = 0;
  double top_ = 0;
  double bottom_ = 0;
  std::vector<std::string> title_;  // lines
  std::vector<std::string> caption_;
};

std::unique_ptr<Canvas> canvas_for(const std::string& ending, const Page& page,
                                   const std::string& title) {
  if (ending == ".png") return png_canvas(page.width(), page.height());
  if (ending == ".svg") return svg_canvas(page.width(), page.height(), title);
  if (ending == ".pdf") return pdf_canvas(page.width(), page.height(), title);
  return nullptr;
}

}  // namespace

std::string draw_terminal(const TokenTable& table, const TerminalStyle& style) {
  const TerminalPaint paint(style);
  const int row = widest(table.row_labels, kWidestRow);
  const int cell = std::clamp(std::max(widest(table.cells, kWidestCell),
                                       widest(table.column_labels, kWidestCell)),
                              kNarrowestCell, kWidestCell) +
                   (style.numbers ? kNumber : 0) + 1;
  const int64_t together = std::max(1, (style.width - row - 1) / cell);
  const auto fitting = [&](const std::string& text, int columns) {
    return shorten(text, columns, style.unicode);
  };
  const auto shown = [&](int64_t r, int64_t c) {
    const std::string& text = cell_of(table, r, c);
    if (!style.numbers) return fitting(text, cell - 1);
    const std::string number = format_value(table.values.at({r, c}), 2);
    return fitting(text, cell - 2 - static_cast<int>(number.size())) + " " + number;
  };
  std::string out;
  for (const std::string& line : wrap(clean_label(table.title), style.width, style.unicode)) {
    add_line(out, paint.bold(line));
  }
  for (int64_t begin = 0; begin < table.values.size(1); begin += together) {
    const int64_t end = std::min(table.values.size(1), begin + together);
    if (begin > 0) out += '\n';
    std::string header(static_cast<size_t>(row + 1), ' ');
    for (int64_t c = begin; c < end; ++c) {
      const std::string label = fitting(table.column_labels[static_cast<size_t>(c)], cell - 1);
      header += paint.bold(pad_center(label, cell, style.unicode));
    }
    add_line(out, header);
    for (int64_t r = 0; r < table.values.size(0); ++r) {
      std::string line =
          pad_left(table.row_labels[static_cast<size_t>(r)], row, style.unicode) + " ";
      for (int64_t c = begin; c < end; ++c) {
        line += paint.cell(table.values.at({r, c}), kRange, cell, shown(r, c));
      }
      add_line(out, line);
    }
  }
  if (style.colors != Colors::none) add_line(out, paint.legend(kRange, style.width));
  return out;
}

void save_token_table(const TokenTable& table, const std::filesystem::path& path, Theme theme) {
  const Page page(table, theme);
  const auto canvas = canvas_for(ending_of(path), page, clean_label(table.title));
  if (canvas == nullptr) {
    save_picture({.title = table.title, .caption = table.caption, .maps = {heat_map(table)}}, path,
                 theme);
    return;
  }
  page.draw(*canvas);
  write_file(path, canvas->finish());
}

}  // namespace heed
