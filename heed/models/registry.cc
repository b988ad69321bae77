#include "heed/models/registry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "heed/base/error.h"
#include "heed/models/bert.h"
#include "heed/models/config.h"

namespace heed {
namespace {

struct Entry {
  const char* model_type;
  const char* class_prefix;  // of the names in "architectures", for old files without model_type
  std::shared_ptr<const Encoder> (*load)(const std::filesystem::path& folder);
};

/// Every encoder Heed has: a new architecture is a line here.
constexpr Entry kEncoders[] = {
    {"bert", "Bert",
     [](const auto& folder) -> std::shared_ptr<const Encoder> { return Bert::load(folder); }},
};

std::string first_architecture(const ConfigReader& config) {
  if (!config.has("architectures")) return "";
  const Json& names = config.json()["architectures"];
  if (!names.is_array() || (!names.empty() && !names[0].is_string())) {
    config.refuse("architectures", "a list of names");
  }
  return names.empty() ? "" : names[0].get<std::string>();
}

void check_folder(const std::filesystem::path& folder) {
  std::error_code error;
  if (std::filesystem::exists(folder / "config.json", error)) return;
  throw Error(ErrorCode::not_found,
              fmt::format("model {}: needed a folder with config.json and model.safetensors, found "
                          "{}",
                          folder.string(),
                          std::filesystem::is_directory(folder, error) ? "no config.json in it"
                                                                       : "no folder"));
}

}  // namespace

std::vector<std::string> known_encoders() {
  std::vector<std::string> names;
  for (const Entry& entry : kEncoders) names.emplace_back(entry.model_type);
  return names;
}

std::shared_ptr<const Encoder> load_encoder(const std::filesystem::path& folder) {
  check_folder(folder);
  const ConfigReader config = ConfigReader::open(folder / "config.json");
  const std::string type = config.text("model_type", "");
  const std::string architecture = first_architecture(config);
  for (const Entry& entry : kEncoders) {
    const bool named =
        type.empty() ? architecture.starts_with(entry.class_prefix) : type == entry.model_type;
    if (named) return entry.load(folder);
  }
  throw Error(
      ErrorCode::unsupported,
      fmt::format("model: {} has model_type \"{}\" ({}), which Heed does not have; it has: "
                  "{}",
                  folder.string(), type, architecture.empty() ? "no architectures" : architecture,
                  fmt::join(known_encoders(), ", ")));
}

}  // namespace heed
