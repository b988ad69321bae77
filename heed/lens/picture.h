#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "heed/tensor/tensor.h"

namespace heed {

/// One matrix with labels: rows look at columns.
struct HeatMap {
  std::string title;
  Tensor values;  // [R, C] f32, weights in [0, 1] unless `highest` says otherwise
  std::vector<std::string> row_labels;     // R, or empty
  std::vector<std::string> column_labels;  // C, or empty
  std::vector<std::string> cells;          // what each cell says, R C row by row, or empty
  std::string row_axis;                    // "looks (query)"
  std::string column_axis;                 // "looked at (key)"
  std::optional<float> lowest;   // value of the first colour; absent: the least, but at most 0
  std::optional<float> highest;  // value of the last colour; absent: the largest value
  // Of a pooled map, whose rows and columns are bins: n + 1 edges each; else empty.
  std::vector<int64_t> row_edges;
  std::vector<int64_t> column_edges;
  std::vector<int64_t> marked_rows;  // outlined, the word one asks about
  // Where the map belongs, for the selectors of the page; absent in pictures without layers.
  std::optional<int> layer;
  std::optional<int> head;
  std::string group;  // which of several texts
};

/// The range of a map's colours: lowest and highest if given, else from the finite values. Never
/// empty. One that begins below 0 is as wide on both sides of it, and has colours of two signs.
struct ValueRange {
  float lowest = 0;
  float highest = 1;
  bool has_signs() const { return lowest < 0; }
  bool operator==(const ValueRange&) const = default;
};
ValueRange value_range(const HeatMap& map);

/// One or more heat maps on a page, drawn as a grid with `columns` a row (0: as fits).
struct Picture {
  std::string title;
  std::string caption;
  std::vector<HeatMap> maps;
  int columns = 0;
};

enum class Theme { light, dark };  // light: darker is higher; dark: lighter is higher

/// Writes the picture in the format of the path's ending: .png .svg .pdf .html .json .csv .npy
/// .npz, through a temporary name, so that no partial file stays. Error invalid_argument lists the
/// endings, or names the map whose labels do not fit its values. .npy holds [maps, R, C] (or [R, C]
/// for one map), smaller maps filled with NaN; .npz the same
/// as "maps", with the edges of pooled maps (picture_arrays).
void save_picture(const Picture& picture, const std::filesystem::path& path, Theme theme);

/// Throws save_picture's errors for an ending it does not know, and for a place where no file can
/// be made: to ask before long work.
void check_picture_path(const std::filesystem::path& path);

enum class Colors { none, ansi256, truecolor };

struct TerminalStyle {
  Colors colors = Colors::none;
  int width = 80;        // columns of text available
  bool numbers = false;  // print each cell's number
  bool unicode = true;   // may use block characters
  Theme theme = Theme::dark;
};

/// The picture as lines of text for a terminal; never wider than style.width (labels shorten, then
/// columns fold).
std::string draw_terminal(const Picture& picture, const TerminalStyle& style);

}  // namespace heed
