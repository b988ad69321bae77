#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace heed {

struct CsvRow {
  std::vector<std::string> cells;
  int64_t line = 0;  // of the file, from 1, where the row starts
};

/// The content behind a UTF-8 byte order mark, which some editors write first.
std::string_view without_byte_order_mark(std::string_view content);

/// The content's lines without their ends (\n or \r\n) and without a byte order mark. They view it.
std::vector<std::string_view> lines_of(std::string_view content);

/// Comma-separated values as RFC 4180 has them: quoted cells may hold commas, newlines and doubled
/// quotes. A byte order mark and empty lines are skipped, while a line of "" is a row with an empty
/// cell. Error corrupt_data names the line of an open quote.
std::vector<CsvRow> parse_csv(std::string_view content, const std::string& where);

/// Hears of a row whose quotes are none: its line and what is wrong. If it returns, the row is left
/// out, and the next line begins a row.
using CsvFault = std::function<void(int64_t line, const std::string& what)>;
std::vector<CsvRow> parse_csv(std::string_view content, const CsvFault& fault);

/// The text as one cell: in quotes where it holds a comma, a quote or a new line.
std::string csv_cell(const std::string& text);

}  // namespace heed
