#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace heed {

/// One of the texts that a file holds.
struct TextRecord {
  std::string text;
  int64_t line = 0;  // of the file, from 1, where it starts
};

/// How a file's texts lie in it.
enum class RecordFormat {
  none,        // as they are
  json_lines,  // in objects, one a line: .jsonl, .ndjson
  csv,         // in columns: .csv
};

/// By the name's ending, in upper or lower case.
RecordFormat record_format(const std::filesystem::path& file);

/// The string field of each line's JSON object; empty lines are skipped. `where` names the content
/// in errors: corrupt_data with the line; invalid_argument for a line without such a field, with
/// those that it has.
std::vector<TextRecord> json_line_records(std::string_view content, const std::string& field,
                                          const std::string& where);

/// The cells of a column that the first row names. Errors likewise; corrupt_data for a row that has
/// not as many cells as the first.
std::vector<TextRecord> csv_records(std::string_view content, const std::string& column,
                                    const std::string& where);

}  // namespace heed
