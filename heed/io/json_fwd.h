#pragma once

#include <nlohmann/json_fwd.hpp>

// For headers that only name the type: json.hpp takes most sources longer to read than their own.

namespace heed {

using Json = nlohmann::json;
/// With the members of objects in the order of the text.
using OrderedJson = nlohmann::ordered_json;

}  // namespace heed
