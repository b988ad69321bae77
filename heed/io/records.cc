#include "heed/io/records.h"

#include <algorithm>

#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/base/paths.h"
#include "heed/io/csv.h"
#include "heed/io/json.h"

namespace heed {
namespace {

[[noreturn]] void fail(ErrorCode code, const std::string& where, const std::string& what) {
  throw Error(code, where + ": " + what);
}

}  // namespace

RecordFormat record_format(const std::filesystem::path& file) {
  const std::string ending = ending_of(file);
  if (ending == ".jsonl" || ending == ".ndjson") return RecordFormat::json_lines;
  return ending == ".csv" ? RecordFormat::csv : RecordFormat::none;
}

std::vector<TextRecord> json_line_records(std::string_view content, const std::string& field,
                                          const std::string& where) {
  std::vector<TextRecord> records;
  int64_t number = 0;
  for (const std::string_view line : lines_of(content)) {
    const std::string place = where + ":" + std::to_string(++number);
    if (line.find_first_not_of(" \t") == std::string_view::npos) continue;
    const Json object = parse_json(line, place);
    if (!object.is_object()) fail(ErrorCode::corrupt_data, place, "needs a JSON object a line");
    const auto found = object.find(field);
    if (found == object.end() || !found->is_string()) {
      std::vector<std::string> names;
      for (const auto& [name, value] : object.items()) {
        if (value.is_string()) names.push_back(name);
      }
      fail(ErrorCode::invalid_argument, place,
           "has no string field " + in_quotes(field) + "; it has " +
               (names.empty() ? "none" : listed(names)));
    }
    records.push_back({found->get<std::string>(), number});
  }
  return records;
}

std::vector<TextRecord> csv_records(std::string_view content, const std::string& column,
                                    const std::string& where) {
  const std::vector<CsvRow> rows = parse_csv(content, where);
  if (rows.empty()) return {};
  const std::vector<std::string>& header = rows.front().cells;
  const auto found = std::find(header.begin(), header.end(), column);
  if (found == header.end()) {
    fail(ErrorCode::invalid_argument, where,
         "has no column " + in_quotes(column) + "; it has " + listed(header));
  }
  if (const auto count = std::count(found, header.end(), column); count > 1) {
    fail(ErrorCode::invalid_argument, where,
         "needed one column " + in_quotes(column) + ", found " + std::to_string(count));
  }
  const auto place = static_cast<size_t>(found - header.begin());
  std::vector<TextRecord> records;
  for (size_t i = 1; i < rows.size(); ++i) {
    if (rows[i].cells.size() != header.size()) {
      fail(ErrorCode::corrupt_data, where + ":" + std::to_string(rows[i].line),
           "needs " + std::to_string(header.size()) + " cells as the header has, found " +
               std::to_string(rows[i].cells.size()));
    }
    records.push_back({rows[i].cells[place], rows[i].line});
  }
  return records;
}

}  // namespace heed
