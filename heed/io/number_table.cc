#include "heed/io/number_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>
#include <optional>
#include <string_view>

#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/message.h"
#include "heed/base/paths.h"
#include "heed/io/csv.h"
#include "heed/io/npy.h"

namespace heed {
namespace {

[[noreturn]] void fail(const std::string& where, const std::string& what) {
  throw Error(ErrorCode::corrupt_data, where + ": " + what);
}

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

// The cell's number, infinities and nan included; nothing if it is not one.
std::optional<float> number_in(std::string_view cell) {
  cell = trimmed(cell);
  if (cell.size() > 1 && cell[0] == '+' && cell[1] != '-') cell.remove_prefix(1);
  float value = 0;
  const auto [end, error] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (end != cell.data() + cell.size() || cell.empty()) return {};
  if (error == std::errc::result_out_of_range) return INFINITY;
  return error == std::errc() ? std::optional(value) : std::nullopt;
}

// Whether the line names columns: no number in it, but for the cell above the rows' labels.
bool is_heading(const CsvRow& row) {
  for (size_t c = row.cells.size() > 1 ? 1 : 0; c < row.cells.size(); ++c) {
    if (number_in(row.cells[c])) return false;
  }
  return true;
}

class TableReader {
 public:
  TableReader(std::vector<CsvRow> rows, const std::string& where)
      : rows_(std::move(rows)), where_(where) {
    if (rows_.empty()) fail(where_, "needed rows of numbers, found none");
    headed_ = is_heading(rows_[0]);
    if (headed_ && rows_.size() == 1) {
      fail(where_, fmt::format("line {}: needed numbers, found only names", rows_[0].line));
    }
    labelled_ = (headed_ && rows_[0].cells.size() > 1 && trimmed(rows_[0].cells[0]).empty()) ||
                !number_in(rows_[headed_ ? 1 : 0].cells[0]);
  }

  NumberTable read() const {
    NumberTable table;
    const size_t skip = labelled_ ? 1 : 0;
    const size_t width = rows_[0].cells.size();
    if (width == skip) {
      fail(where_, fmt::format("line {}: needed numbers with commas between them, found {}",
                               rows_[0].line, in_quotes(rows_[0].cells[0])));
    }
    if (headed_) table.columns.assign(rows_[0].cells.begin() + skip, rows_[0].cells.end());
    std::vector<float> values;
    for (size_t r = headed_ ? 1 : 0; r < rows_.size(); ++r) {
      const CsvRow& row = rows_[r];
      if (row.cells.size() != width) {
        fail(where_, fmt::format("line {}: needed {} as in line {}, found {}", row.line,
                                 counted(static_cast<int64_t>(width), "cell"), rows_[0].line,
                                 row.cells.size()));
      }
      if (labelled_) table.rows.push_back(row.cells[0]);
      for (size_t c = skip; c < width; ++c) values.push_back(value_at(row, c));
    }
    const auto columns = static_cast<int64_t>(width - skip);
    table.values = Tensor::from(values, {static_cast<int64_t>(values.size()) / columns, columns});
    return table;
  }

 private:
  float value_at(const CsvRow& row, size_t column) const {
    const std::optional<float> value = number_in(row.cells[column]);
    if (!value || !std::isfinite(*value)) {
      fail(where_, fmt::format("line {}, column {}: needed a finite number, found {}", row.line,
                               column + 1, in_quotes(row.cells[column])));
    }
    return *value;
  }

  std::vector<CsvRow> rows_;
  std::string where_;
  bool headed_ = false;
  bool labelled_ = false;
};

}  // namespace

NumberTable parse_number_table(std::string_view content, const std::string& where) {
  return TableReader(parse_csv(content, where), where).read();
}

NumberTable read_number_table(const std::filesystem::path& path) {
  if (ending_of(path) != ".npy") return parse_number_table(read_file(path), path.string());
  const Tensor array = read_npy(path);
  if (array.rank() != 2) {
    fail(path.string(), "needed an array of rank 2, found " + to_string(array.shape()));
  }
  constexpr DType kFloats[] = {DType::f64, DType::f32, DType::bf16, DType::f16};
  if (std::ranges::find(kFloats, array.dtype()) == std::end(kFloats)) {
    fail(path.string(), fmt::format("needed an array of floats, found {}; convert it with NumPy's "
                                    "astype",
                                    to_string(array.dtype())));
  }
  const Tensor values = array.to(DType::f32).contiguous();
  for (const float value : values.span<float>()) {
    if (!std::isfinite(value)) fail(path.string(), "needed finite numbers, found nan or inf");
  }
  return {.values = values, .rows = {}, .columns = {}};
}

}  // namespace heed
