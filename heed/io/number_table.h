#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "heed/tensor/tensor.h"

namespace heed {

/// A table of numbers with what its rows and columns are called.
struct NumberTable {
  Tensor values;                     // [R, C] f32
  std::vector<std::string> rows;     // R labels, or empty
  std::vector<std::string> columns;  // C labels, or empty
};

/// Comma-separated values. A first line without a number (beyond its first cell) names the columns;
/// a first column that does not hold numbers, or whose heading is empty, names the rows. `where`
/// names the content in errors. Error corrupt_data names line and column of a cell that is not a
/// finite number, or the first row whose length differs.
NumberTable parse_number_table(std::string_view content, const std::string& where);

/// The same of a file; a .npy file holds an array of rank 2 without names.
NumberTable read_number_table(const std::filesystem::path& path);

}  // namespace heed
