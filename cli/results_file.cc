#include "cli/results_file.h"

#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/message.h"
#include "heed/base/paths.h"
#include "heed/io/csv.h"

namespace heed::cli {
namespace {

std::string csv_line(const OutJson& row, const std::vector<std::string>& columns) {
  std::string line;
  for (const std::string& column : columns) {
    if (&column != &columns.front()) line += ',';
    const OutJson& value = row.at(column);
    line += csv_cell(value.is_string() ? value.get<std::string>() : to_line(value));
  }
  return line + "\n";
}

std::string header(const std::vector<std::string>& columns) {
  std::string line;
  for (const std::string& column : columns) line += (line.empty() ? "" : ",") + column;
  return line + "\n";
}

}  // namespace

ResultsFile::ResultsFile(const std::string& path, std::vector<std::string> columns,
                         const std::string& other_endings)
    : ending_(ending_of(path)), columns_(std::move(columns)) {
  if (path.empty()) return;
  if (ending_ != ".jsonl" && ending_ != ".json" && ending_ != ".csv") {
    throw Error(ErrorCode::invalid_argument, "--save " + in_quotes(path) + ": the ending must be " +
                                                 other_endings + ".jsonl, .json or .csv");
  }
  file_ = std::make_unique<AtomicFile>(path);
  if (ending_ == ".csv") file_->write(header(columns_));
  if (ending_ == ".json") file_->write(std::string_view("[\n"));
}

ResultsFile::~ResultsFile() = default;

void ResultsFile::add(const OutJson& object, const std::vector<OutJson>& rows) {
  if (file_ == nullptr) return;
  if (ending_ == ".csv") {
    for (const OutJson& row : rows) file_->write(csv_line(row, columns_));
    return;
  }
  if (ending_ == ".json" && !first_) file_->write(std::string_view(","));
  file_->write(to_line(object) + "\n");
  first_ = false;
}

void ResultsFile::commit() {
  if (file_ == nullptr) return;
  if (ending_ == ".json") file_->write(std::string_view("]\n"));
  file_->commit();
}

}  // namespace heed::cli
