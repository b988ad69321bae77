#include "heed/models/model_files.h"

#include <fmt/format.h>

#include "heed/base/error.h"
#include "heed/io/adapter.h"
#include "heed/models/converted_params.h"
#include "heed/models/gguf_model.h"

namespace heed {

namespace fs = std::filesystem;

ConfigReader read_model_config(const fs::path& model) {
  if (is_gguf(model)) return gguf_config(Gguf::open(model));
  std::error_code error;
  if (fs::exists(model_file(model, "config.json"), error)) {
    return ConfigReader::open(model / "config.json");
  }
  throw Error(ErrorCode::not_found,
              fmt::format("model {}: needed a folder with config.json and model.safetensors, or a "
                          ".gguf file, found {}",
                          model.string(),
                          fs::is_directory(model, error) ? "no config.json in it"
                          : fs::exists(model, error)     ? "another file"
                                                         : "nothing"));
}

Params open_model_params(const fs::path& model, std::optional<BlockKind> dtype) {
  const Params stored = is_gguf(model) ? gguf_params(Gguf::open(model))
                                       : Params::from(Checkpoint::open(model), model.string());
  return dtype ? converted_params(stored, *dtype, read_model_config(model)) : stored;
}

}  // namespace heed
