#include "cli/id_rows.h"

#include <fmt/format.h>

#include <limits>

#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/io/json.h"

namespace heed::cli {

std::vector<std::vector<int32_t>> read_id_rows(const std::string& file) {
  const Json rows = read_json(file);
  const auto fail = [&](const std::string& found) {
    throw Error(ErrorCode::corrupt_data,
                fmt::format("{}: must be a list of lists of token ids, such as [[101, 102]]; {}",
                            file, found));
  };
  if (!rows.is_array()) fail("the outermost value is not a list");
  if (rows.empty()) fail("there is no row");
  std::vector<std::vector<int32_t>> result;
  for (const Json& row : rows) {
    if (!row.is_array()) fail(fmt::format("entry {} is not a list", result.size()));
    std::vector<int32_t>& ids = result.emplace_back();
    for (const Json& id : row) {
      constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
      if (!id.is_number_integer() || id < 0 || id > kMost) {
        fail(fmt::format("row {} holds {}", result.size() - 1,
                         in_quotes(id.dump(-1, ' ', true, Json::error_handler_t::replace))));
      }
      ids.push_back(id.get<int32_t>());
    }
  }
  return result;
}

}  // namespace heed::cli
