#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

namespace heed {

using Json = nlohmann::json;

/// Parses text; depth-bounded (128). Error corrupt_data names `where` (a path, a field) and the
/// byte offset.
Json parse_json(std::string_view text, std::string_view where);
Json read_json(const std::filesystem::path& path);

}  // namespace heed
