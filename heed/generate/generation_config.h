#pragma once

#include <filesystem>

#include "heed/generate/generator.h"

namespace heed {

class ConfigReader;

/// What a checkpoint's generation_config.json says of how its texts are written, over `base`; a
/// folder without one says nothing, nor does a file that is no folder. As in transformers sampling
/// options count only where do_sample is true, where then temperature is 1 and top_k 50 unless it
/// says otherwise; eos_token_id and its like are SpecialIds'. Error corrupt_data names a field of
/// the wrong type or out of its range. What Heed does not do (guidance, constraints, watermarks) is
/// left out, and the log says so.
GenerateOptions read_generation_config(const std::filesystem::path& folder,
                                       GenerateOptions base = {});
GenerateOptions read_generation_config(const ConfigReader& file, GenerateOptions base = {});

}  // namespace heed
