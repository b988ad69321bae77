#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/json_out.h"

namespace heed {
class AtomicFile;
}

namespace heed::cli {

/// What a command found, written to the file of --save in the format of its ending: .jsonl and
/// .json hold the objects that --json prints, .csv a line for each row of cells.
class ResultsFile {
 public:
  /// "" writes nothing. columns: the .csv's header, which are fields of the rows. Error
  /// invalid_argument lists the endings, those first that the command writes itself (".html, ").
  ResultsFile(const std::string& path, std::vector<std::string> columns,
              const std::string& other_endings = "");
  ~ResultsFile();

  bool open() const { return file_ != nullptr; }
  void add(const OutJson& object, const std::vector<OutJson>& rows);
  /// Puts the file in place; without it there is none.
  void commit();

 private:
  std::string ending_;
  std::vector<std::string> columns_;
  std::unique_ptr<AtomicFile> file_;
  bool first_ = true;
};

}  // namespace heed::cli
