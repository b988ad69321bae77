#include "heed/models/special_ids.h"

#include <algorithm>

#include "heed/io/gguf.h"
#include "heed/models/model_files.h"

namespace heed {
namespace {

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
    if (!ids.begin) ids.begin = config.id("bos_token_id");
    if (ids.end.empty()) ids.end = config.ids("eos_token_id");
    if (!ids.decoder_start) ids.decoder_start = config.id("decoder_start_token_id");
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
