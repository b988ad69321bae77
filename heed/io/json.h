#pragma once

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "heed/io/json_fwd.h"

namespace heed {

/// What a key that occurs twice in one object means. JSON leaves it open; Python, which writes the
/// files of the hub, keeps the last.
enum class DuplicateKeys { keep_last, refuse };

/// Parses text; depth-bounded (128). Error corrupt_data names `where` (a path, a field), the byte
/// offset, line and column.
Json parse_json(std::string_view text, std::string_view where,
                DuplicateKeys duplicates = DuplicateKeys::keep_last);

/// The same where the order of members says something; of equal keys the last value stays, in the
/// first one's place.
OrderedJson parse_ordered_json(std::string_view text, std::string_view where);

/// An object with so many members that keeping them would be slow: a vocabulary.
struct LargeObject {
  std::vector<std::string> path;  // the keys that lead to it from the root
  /// Called with each member in the order of the text; a list or an object comes empty.
  std::function<void(const std::string& key, const Json& value)> take;
};

/// The same, but the members of that object go to `take` and the document holds an empty one.
Json parse_json(std::string_view text, std::string_view where, LargeObject large);

/// Error not_found / io_failure for a file that cannot be read.
Json read_json(const std::filesystem::path& path);

}  // namespace heed
