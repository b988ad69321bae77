#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "heed/models/encoder.h"

namespace heed {

/// The model_type names of config.json that load_encoder knows.
std::vector<std::string> known_encoders();

/// The encoder in a checkpoint folder, by config.json's model_type. Error unsupported lists the
/// known ones; not_found and corrupt_data as the files say.
std::shared_ptr<const Encoder> load_encoder(const std::filesystem::path& folder);

}  // namespace heed
