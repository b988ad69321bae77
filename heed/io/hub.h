#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace heed {

/// The hub's cache: HF_HUB_CACHE, else HF_HOME/hub, else XDG_CACHE_HOME/huggingface/hub, else
/// ~/.cache/huggingface/hub, as huggingface_hub has it.
std::filesystem::path hub_cache();

/// Where a model lies: an existing path as it is, else ORG/NAME looked up in the cache
/// (models--ORG--NAME/snapshots/REVISION, refs/main first). A name without ORG matches a cached
/// model of that name if only one has it. A folder without config.json that holds one .gguf file
/// stands for that file. Error not_found says where it looked, what is there and how to get it;
/// invalid_argument if several .gguf files could be meant.
std::filesystem::path find_model(std::string_view name_or_path);

struct CachedModel {
  std::string name;  // ORG/NAME
  std::filesystem::path folder;
};
/// Models in the cache, by name.
std::vector<CachedModel> cached_models();

}  // namespace heed
