#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

namespace heed {

using Json = nlohmann::json;

/// What a key that occurs twice in one object means. JSON leaves it open; Python, which writes the
/// files of the hub, keeps the last.
enum class DuplicateKeys { keep_last, refuse };

/// Parses text; depth-bounded (128). Error corrupt_data names `where` (a path, a field), the byte
/// offset, line and column.
Json parse_json(std::string_view text, std::string_view where,
                DuplicateKeys duplicates = DuplicateKeys::keep_last);
/// Error not_found / io_failure for a file that cannot be read.
Json read_json(const std::filesystem::path& path);

}  // namespace heed
