#include "heed/models/config.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "heed/base/error.h"
#include "heed/io/adapter.h"
#include "heed/io/json.h"

namespace heed {
namespace {

/// A value as an error message shows it: never more than a line's worth.
std::string shown(const Json& value) {
  std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

constexpr int64_t kMostId = std::numeric_limits<int32_t>::max();

}  // namespace

ConfigReader::ConfigReader(Json document, std::string where)
    : document_(std::make_shared<const Json>(std::move(document))), where_(std::move(where)) {
  if (!json().is_object()) {
    throw Error(ErrorCode::corrupt_data,
                fmt::format("{}: must be a JSON object but is {}", where_, shown(json())));
  }
}

ConfigReader ConfigReader::open(const std::filesystem::path& path) {
  const std::filesystem::path file = model_file(path.parent_path(), path.filename().string());
  return {read_json(file), file.string()};
}

bool ConfigReader::has(const char* field) const {
  const auto found = json().find(field);
  return found != json().end() && !found->is_null();
}

void ConfigReader::refuse(const char* field, std::string_view needed) const {
  throw Error(ErrorCode::corrupt_data,
              has(field) ? fmt::format("{}: {} must be {} but is {}", where_, field, needed,
                                       shown(json()[field]))
                         : fmt::format("{}: {} ({}) is needed but absent", where_, field, needed));
}

int64_t ConfigReader::integer(const char* field, int64_t lowest, int64_t highest,
                              std::optional<int64_t> fallback) const {
  if (!has(field) && fallback) return *fallback;
  const std::string needed = fmt::format("an integer from {} to {}", lowest, highest);
  // an unsigned above 2^63 would wrap when read as signed
  if (!has(field) || !json()[field].is_number_integer() ||
      (json()[field].is_number_unsigned() && json()[field].get<uint64_t>() > INT64_MAX)) {
    refuse(field, needed);
  }
  const auto value = json()[field].get<int64_t>();
  if (value < lowest || value > highest) refuse(field, needed);
  return value;
}

double ConfigReader::number(const char* field, double lowest, double highest,
                            std::optional<double> fallback) const {
  if (!has(field) && fallback) return *fallback;
  const std::string needed = fmt::format("a number from {} to {}", lowest, highest);
  if (!has(field) || !json()[field].is_number()) refuse(field, needed);
  const auto value = json()[field].get<double>();
  if (!(value >= lowest && value <= highest)) refuse(field, needed);
  return value;
}

std::string ConfigReader::text(const char* field, std::optional<std::string> fallback) const {
  if (!has(field) && fallback) return *fallback;
  if (!has(field) || !json()[field].is_string()) refuse(field, "a string");
  return json()[field].get<std::string>();
}

bool ConfigReader::boolean(const char* field, std::optional<bool> fallback) const {
  if (!has(field) && fallback) return *fallback;
  if (!has(field) || !json()[field].is_boolean()) refuse(field, "true or false");
  return json()[field].get<bool>();
}

std::optional<int32_t> ConfigReader::id(const char* field, std::optional<int32_t> fallback) const {
  if (!json().contains(field)) return fallback;
  if (!has(field)) return std::nullopt;
  return static_cast<int32_t>(integer(field, 0, kMostId));
}

int32_t ConfigReader::padding(int32_t fallback, int64_t vocab) const {
  constexpr const char* kField = "pad_token_id";
  if (!json().contains(kField)) return fallback;
  if (!has(kField)) return -1;
  const int64_t id = integer(kField, -vocab, kMostId);
  return static_cast<int32_t>(id < 0 ? id + vocab : id);
}

std::vector<int32_t> ConfigReader::ids(const char* field) const {
  if (!has(field)) return {};
  const Json& value = json()[field];
  if (!value.is_array()) return {*id(field)};
  std::vector<int32_t> ids;
  for (const Json& one : value) {
    if (!one.is_number_integer() || one < 0 || one > kMostId) refuse(field, "ids of tokens");
    ids.push_back(one.get<int32_t>());
  }
  return ids;
}

}  // namespace heed
