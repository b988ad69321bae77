#include "heed/io/csv.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "heed/base/error.h"

namespace heed {
namespace {

class CsvReader {
 public:
  CsvReader(std::string_view content, const CsvFault& fault) : content_(content), fault_(fault) {}

  std::vector<CsvRow> read() {
    std::vector<CsvRow> rows;
    while (at_ < content_.size()) {
      const bool in_quotes = content_[at_] == '"';
      std::optional<CsvRow> row = read_row();
      if (!row) continue;
      const bool empty_line = row->cells.size() == 1 && row->cells.front().empty() && !in_quotes;
      if (!empty_line) rows.push_back(std::move(*row));
    }
    return rows;
  }

 private:
  bool at_end() const { return at_ == content_.size(); }

  bool take(char wanted) {
    if (at_end() || content_[at_] != wanted) return false;
    ++at_;
    return true;
  }

  /// Nothing where the row is told to be a fault.
  std::optional<CsvRow> read_row() {
    CsvRow row;
    row.line = line_;
    do {
      if (!take('"')) {
        row.cells.push_back(plain());
        continue;
      }
      std::optional<std::string> cell = quoted();
      if (!cell) return leave_out("the quote opened here is never closed");
      row.cells.push_back(std::move(*cell));
    } while (take(','));
    take('\r');
    if (!take('\n') && !at_end()) {
      return leave_out("needs a comma or a new line after a quoted cell");
    }
    ++line_;
    return row;
  }

  std::string plain() {
    const size_t end = std::min(content_.find_first_of(",\n", at_), content_.size());
    std::string_view cell = content_.substr(at_, end - at_);
    at_ = end;
    if (!cell.empty() && cell.back() == '\r' && (at_end() || content_[at_] == '\n')) {
      cell.remove_suffix(1);
    }
    return std::string(cell);
  }

  /// Nothing, and the place behind the quote again, where none closes it.
  std::optional<std::string> quoted() {
    const size_t begin = at_;
    const int64_t opened = line_;
    std::string cell;
    while (!at_end()) {
      const char c = content_[at_++];
      if (c == '"' && !take('"')) return cell;
      if (c == '\n') ++line_;
      cell += c;
    }
    at_ = begin;
    line_ = opened;
    return std::nullopt;
  }

  /// Tells of the row; what follows its line is read.
  std::nullopt_t leave_out(const char* what) {
    fault_(line_, what);
    at_ = std::min(content_.find('\n', at_), content_.size() - 1) + 1;
    ++line_;
    return std::nullopt;
  }

  std::string_view content_;
  const CsvFault& fault_;
  size_t at_ = 0;
  int64_t line_ = 1;
};

}  // namespace

std::string_view without_byte_order_mark(std::string_view content) {
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  if (content.starts_with(kMark)) content.remove_prefix(kMark.size());
  return content;
}

std::vector<std::string_view> lines_of(std::string_view content) {
  content = without_byte_order_mark(content);
  std::vector<std::string_view> lines;
  while (!content.empty()) {
    const size_t end = std::min(content.find('\n'), content.size());
    std::string_view line = content.substr(0, end);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    lines.push_back(line);
    content.remove_prefix(std::min(end + 1, content.size()));
  }
  return lines;
}

std::vector<CsvRow> parse_csv(std::string_view content, const CsvFault& fault) {
  return CsvReader(without_byte_order_mark(content), fault).read();
}

std::vector<CsvRow> parse_csv(std::string_view content, const std::string& where) {
  return parse_csv(content, [&](int64_t line, const std::string& what) {
    throw Error(ErrorCode::corrupt_data, where + ":" + std::to_string(line) + ": " + what);
  });
}

std::string csv_cell(const std::string& text) {
  if (text.find_first_of(",\"\r\n") == std::string::npos) return text;
  std::string cell = "\"";
  for (const char c : text) cell += c == '"' ? std::string("\"\"") : std::string(1, c);
  return cell + "\"";
}

}  // namespace heed
