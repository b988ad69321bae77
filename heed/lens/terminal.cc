#include <algorithm>

#include "heed/lens/labels.h"
#include "heed/lens/terminal_paint.h"

namespace heed {
namespace {

constexpr int64_t kMostMini = 24;  // cells a side of a small map

struct Mini {
  const HeatMap* map;
  Tensor values;
  ValueRange range;
};

std::string mini_line(const Mini& mini, int64_t line, bool halves, const TerminalPaint& paint) {
  std::string out;
  const int64_t rows = mini.values.size(0);
  const int64_t row = halves ? 2 * line : line;
  for (int64_t c = 0; c < mini.values.size(1); ++c) {
    if (row >= rows) {
      out += ' ';
    } else if (!halves) {
      out += paint.cell(mini.values.at({row, c}), mini.range, 1);
    } else if (row + 1 < rows) {
      out += paint.half_cells(mini.values.at({row, c}), mini.values.at({row + 1, c}), mini.range);
    } else {
      out +=
          paint.half_cells(mini.values.at({row, c}), std::max(mini.range.lowest, 0.0f), mini.range);
    }
  }
  return out;
}

}  // namespace

std::string draw_terminal_grid(const Picture& picture, const TerminalPaint& paint) {
  const TerminalStyle& style = paint.style();
  const int64_t most = std::min<int64_t>(kMostMini, style.width);
  std::vector<Mini> minis;
  int64_t width = 1;
  int64_t rows = 0;
  int title = 0;
  for (const HeatMap& map : picture.maps) {
    minis.push_back({&map, shrink(map.values, most, most).values, value_range(map)});
    width = std::max(width, minis.back().values.size(1));
    rows = std::max(rows, minis.back().values.size(0));
    title = std::max(title, std::min(display_width(clean_label(map.title)), 8));
  }
  const auto slot =
      static_cast<int>(std::min<int64_t>(std::max<int64_t>(width, title), style.width));
  const auto count = static_cast<int64_t>(minis.size());
  const int64_t wanted = picture.columns > 0 ? picture.columns : count;
  const int64_t fits = std::max<int64_t>(1, (style.width + 1) / (slot + 1));
  // As even as can be: 12 heads that do not fit in one line stand in two lines of 6.
  const int64_t lines_wanted = (wanted + fits - 1) / fits;
  const int64_t per_line = (wanted + lines_wanted - 1) / lines_wanted;
  const bool halves = paint.has_half_cells();
  std::string out;
  for (int64_t begin = 0; begin < count;) {
    const int64_t row_end = (begin / wanted + 1) * wanted;  // a row of the grid ends its line
    const int64_t end = std::min({count, begin + per_line, row_end});
    std::string titles;
    for (int64_t i = begin; i < end; ++i) {
      titles +=
          pad_right(clean_label(minis[static_cast<size_t>(i)].map->title), slot, style.unicode);
      titles += ' ';
    }
    titles.pop_back();
    add_line(out, titles);
    for (int64_t line = 0; line < (halves ? (rows + 1) / 2 : rows); ++line) {
      std::string text;
      for (int64_t i = begin; i < end; ++i) {
        const Mini& mini = minis[static_cast<size_t>(i)];
        text += mini_line(mini, line, halves, paint);
        if (i + 1 < end) {
          text.append(static_cast<size_t>(slot - mini.values.size(1) + 1), ' ');
        }
      }
      add_line(out, text);
    }
    begin = end;
  }
  return out;
}

std::string draw_terminal(const Picture& picture, const TerminalStyle& style) {
  check_picture(picture);
  TerminalStyle bounded = style;
  bounded.width = std::max(4, style.width);
  const TerminalPaint paint(bounded);
  std::string out;
  for (const std::string& line : wrap(clean_label(picture.title), bounded.width, bounded.unicode)) {
    add_line(out, paint.bold(line));
  }
  bool same_range = true;
  for (const HeatMap& map : picture.maps) {
    same_range &= value_range(map) == value_range(picture.maps[0]);
  }
  if (picture.maps.size() > kFewMaps && !style.numbers) {
    out += draw_terminal_grid(picture, paint);
    if (same_range) {
      add_line(out, paint.legend(value_range(picture.maps[0]), bounded.width));
    }
  } else {
    for (size_t i = 0; i < picture.maps.size(); ++i) {
      if (i > 0) out += '\n';
      out += draw_terminal_map(picture.maps[i], paint,
                               !style.numbers && (!same_range || i + 1 == picture.maps.size()));
    }
  }
  for (const std::string& line :
       wrap(clean_label(picture.caption), bounded.width, bounded.unicode)) {
    add_line(out, paint.faint(line));
  }
  return out;
}

}  // namespace heed
