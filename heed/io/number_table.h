#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "heed/tensor/tensor.h"

namespace heed::cli {

/// A table of numbers with what its rows and columns are called.
struct NumberTable {
  Tensor values;                     // [R, C] f32
  std::vector<std::string> rows;     // R labels, or empty
  std::vector<std::string> columns;  // C labels, or empty
};

/// Reads a .npy array of rank 2, else comma-separated values (- is standard input). A first line
/// without a number (beyond its first cell) names the columns; a first column that does not hold
/// numbers, or whose heading is empty, names the rows. Error corrupt_data names line and column of
/// a cell that is not a finite number, or the first row whose length differs.
NumberTable read_number_table(const std::filesystem::path& path);
NumberTable parse_number_table(std::string_view content, const std::string& where);

}  // namespace heed::cli
