#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace heed::cli {

/// A file with a JSON list of lists of token ids, as --ids takes it, one or more; a row may be
/// empty. Error corrupt_data says what it holds instead.
std::vector<std::vector<int32_t>> read_id_rows(const std::string& file);

}  // namespace heed::cli
