#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "heed/lens/picture.h"

namespace heed {

/// Words in rows and columns, each on the colour of its value.
struct TokenTable {
  std::string title;
  std::string caption;
  std::vector<std::string> row_labels;     // R
  std::vector<std::string> column_labels;  // C
  std::vector<std::string> cells;          // R C, row by row
  Tensor values;                           // [R, C], from 0 to 1
};

/// For a terminal: as many columns side by side as its width has room for, then the next ones.
std::string draw_terminal(const TokenTable& table, const TerminalStyle& style);

/// As .png, .svg or .pdf, with the words in their cells; any other ending as save_picture(), a heat
/// map whose cells say the words where the format can (.html, .json, .csv).
void save_token_table(const TokenTable& table, const std::filesystem::path& path, Theme theme);

}  // namespace heed
