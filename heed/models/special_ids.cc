#include "heed/models/special_ids.h"

#include <algorithm>
#include <limits>

#include "heed/io/gguf.h"
#include "heed/models/model_files.h"

namespace heed {
namespace {

constexpr int64_t kMost = std::numeric_limits<int32_t>::max();

std::optional<int32_t> read_id(const ConfigReader& config, const char* field) {
  if (!config.has(field)) return std::nullopt;
  return static_cast<int32_t>(config.integer(field, 0, kMost));
}

/// One id or a list of them.
std::vector<int32_t> read_ids(const ConfigReader& config, const char* field) {
  if (!config.has(field)) return {};
  const Json& value = config.json()[field];
  if (!value.is_array()) return {*read_id(config, field)};
  std::vector<int32_t> ids;
  for (const Json& id : value) {
    if (!id.is_number_integer() || id < 0 || id > kMost) config.refuse(field, "ids of tokens");
    ids.push_back(id.get<int32_t>());
  }
  return ids;
}

/// Where the ids may stand, what counts first.
std::vector<ConfigReader> configs_of(const std::filesystem::path& model) {
  if (is_gguf(model)) return {read_model_config(model)};
  std::vector<ConfigReader> configs;
  for (const char* name : {"generation_config.json", "config.json"}) {
    std::error_code error;
    if (!std::filesystem::exists(model / name, error)) continue;
    configs.push_back(ConfigReader::open(model / name));
  }
  return configs;
}

}  // namespace

SpecialIds SpecialIds::read(const std::filesystem::path& model) {
  SpecialIds ids;
  for (const ConfigReader& config : configs_of(model)) {
    if (!ids.begin) ids.begin = read_id(config, "bos_token_id");
    if (ids.end.empty()) ids.end = read_ids(config, "eos_token_id");
    if (!ids.decoder_start) ids.decoder_start = read_id(config, "decoder_start_token_id");
  }
  if (!ids.decoder_start) ids.decoder_start = ids.begin;
  return ids;
}

std::vector<int32_t> SpecialIds::as_source(std::vector<int32_t> ids) const {
  const bool ended = !ids.empty() && std::ranges::find(end, ids.back()) != end.end();
  if (!end.empty() && !ended) ids.push_back(end.front());
  return ids;
}

}  // namespace heed
