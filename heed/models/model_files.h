#pragma once

#include <filesystem>
#include <optional>
#include <string_view>

#include "heed/base/block_kind.h"
#include "heed/models/config.h"
#include "heed/nn/params.h"

namespace heed {

// A model's files, whatever their form: a folder with config.json and model.safetensors (or its
// shards), or one GGUF file. Internal: not installed.

/// What config.json or the GGUF file's metadata say. Error not_found if the path is neither.
ConfigReader read_model_config(const std::filesystem::path& model);

/// The weights, mapped; with a kind, converted to it one by one when they are asked for
/// (heed/models/converted_params.h). Errors as Checkpoint::open's and gguf_params'.
Params open_model_params(const std::filesystem::path& model, std::optional<BlockKind> dtype = {});

/// Whether a name is of what older versions of transformers stored beside the weights: masks,
/// positions and angles.
bool is_buffer(std::string_view name);

}  // namespace heed
