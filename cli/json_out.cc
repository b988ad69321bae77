#include "cli/json_out.h"

#include "cli/command.h"

namespace heed::cli {

std::string to_line(const OutJson& value) {
  return value.dump(-1, ' ', false, OutJson::error_handler_t::replace);
}

OutJson matrix_json(const Tensor& matrix) {
  OutJson rows = OutJson::array();
  for (int64_t r = 0; r < matrix.size(0); ++r) {
    OutJson row = OutJson::array();
    for (int64_t c = 0; c < matrix.size(1); ++c) row.push_back(matrix.at({r, c}));
    rows.push_back(std::move(row));
  }
  return rows;
}

void print_json(const OutJson& value) { print(to_line(value) + "\n"); }

}  // namespace heed::cli
