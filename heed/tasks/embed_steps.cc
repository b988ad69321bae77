// What sentence-transformers writes beside an encoder: modules.json and a folder for each module.

#include <fmt/format.h>

#include <algorithm>

#include "heed/base/error.h"
#include "heed/base/paths.h"
#include "heed/io/json.h"
#include "heed/models/config.h"
#include "heed/tasks/embed.h"

namespace heed {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void refuse(const fs::path& where, const std::string& what) {
  throw Error(ErrorCode::unsupported, fmt::format("{}: {}", where.string(), what));
}

/// "sentence_transformers.models.Pooling" -> "Pooling": the package moved its modules about.
std::string class_name(const std::string& path) { return path.substr(path.find_last_of('.') + 1); }

/// A module's folder, which must not lead out of the checkpoint.
fs::path module_folder(const fs::path& folder, const ConfigReader& module) {
  const fs::path path = module.text("path", "");
  if (path.is_absolute() || std::ranges::find(path, fs::path("..")) != path.end()) {
    module.refuse("path", "a folder inside the checkpoint");
  }
  return path.empty() ? folder : folder / path;
}

std::vector<Pooling> read_pooling(const ConfigReader& config) {
  std::vector<Pooling> ways;
  if (config.has("pooling_mode")) {  // newer files: a name or a list of names
    const Json& mode = config.json()["pooling_mode"];
    for (const Json& name : mode.is_array() ? mode : Json::array({mode})) {
      if (!name.is_string()) config.refuse("pooling_mode", "a name or a list of names");
      ways.push_back(pooling_from_name(name.get<std::string>()));
    }
    if (ways.empty()) config.refuse("pooling_mode", "a name or a list of names");
    return ways;
  }
  constexpr std::pair<const char*, Pooling> kFlags[] = {
      {"pooling_mode_cls_token", Pooling::cls},
      {"pooling_mode_max_tokens", Pooling::max},
      {"pooling_mode_mean_tokens", Pooling::mean},
      {"pooling_mode_mean_sqrt_len_tokens", Pooling::mean_sqrt_len_tokens},
      {"pooling_mode_weightedmean_tokens", Pooling::weightedmean},
      {"pooling_mode_lasttoken", Pooling::lasttoken},
  };
  for (const auto& [flag, way] : kFlags) {
    if (config.boolean(flag, false)) ways.push_back(way);
  }
  if (ways.empty()) ways.push_back(Pooling::mean);  // sentence-transformers' own rule
  return ways;
}

EmbedSteps::Dense read_dense(const fs::path& folder) {
  const ConfigReader config = ConfigReader::open(folder / "config.json");
  const int64_t inputs = config.integer("in_features", 1, 1 << 24);
  const int64_t outputs = config.integer("out_features", 1, 1 << 24);
  for (const char* name : {"module_input_name", "module_output_name"}) {
    if (config.text(name, "sentence_embedding") != "sentence_embedding") {
      refuse(folder, fmt::format("a Dense module whose {} is not sentence_embedding", name));
    }
  }
  if (config.boolean("use_residual", false)) refuse(folder, "a Dense module with use_residual");
  std::string activation = class_name(config.text("activation_function", "Tanh"));
  std::ranges::transform(activation, activation.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
  });
  if (!is_there(folder / "model.safetensors") && is_there(folder / "pytorch_model.bin")) {
    refuse(folder,
           "its weights are a Python pickle (pytorch_model.bin), which can run code when "
           "it is read; save them as model.safetensors");
  }
  const Params params = Params::from(Checkpoint::open(folder), folder.string()) / "linear";
  return {Linear(params, inputs, outputs, config.boolean("bias", true)),
          activation_from_name(activation), inputs, outputs};
}

/// config_sentence_transformers.json's prompts; null and "" are none.
void read_prompts(const fs::path& file, EmbedSteps& steps) {
  if (!is_there(file)) return;
  const ConfigReader config = ConfigReader::open(file);
  if (config.has("prompts")) {
    const Json& prompts = config.json()["prompts"];
    if (!prompts.is_object()) config.refuse("prompts", "an object of texts");
    for (const auto& [name, text] : prompts.items()) {
      if (text.is_null()) continue;
      if (!text.is_string()) config.refuse("prompts", "an object of texts");
      steps.prompts[name] = text.get<std::string>();
    }
  }
  steps.default_prompt = config.text("default_prompt_name", "");
  if (steps.default_prompt.empty() || steps.prompts.contains(steps.default_prompt)) return;
  config.refuse("default_prompt_name", "the name of one of the prompts");
}

/// What sentence-transformers' Transformer module says of the encoder. Its newer files leave the
/// longest text to the tokenizer's.
void read_encoder_settings(const fs::path& folder, EmbedSteps& steps) {
  if (const fs::path file = folder / "sentence_bert_config.json"; is_there(file)) {
    const ConfigReader config = ConfigReader::open(file);
    if (config.has("max_seq_length")) {
      steps.max_tokens = config.integer("max_seq_length", 1, INT64_C(1) << 40);
    }
    steps.lower_case = config.boolean("do_lower_case", false);
    constexpr std::pair<const char*, const char*> kUsual[] = {
        {"transformer_task", "feature-extraction"}, {"module_output_name", "token_embeddings"}};
    for (const auto& [field, usual] : kUsual) {
      if (config.text(field, usual) == usual) continue;
      refuse(file, fmt::format("{} is {}; Heed does {}", field, config.text(field), usual));
    }
  }
  const fs::path file = folder / "tokenizer_config.json";
  if (steps.max_tokens || !is_there(file)) return;
  const Json config = read_json(file);
  const Json most = config.is_object() ? config.value("model_max_length", Json()) : Json();
  // no limit is 1e30, which is no integer here
  if (most.is_number_integer() && most.get<int64_t>() > 0) steps.max_tokens = most.get<int64_t>();
}

}  // namespace

EmbedSteps EmbedSteps::read(const fs::path& folder, fs::path* encoder_folder) {
  EmbedSteps steps;
  *encoder_folder = folder;
  read_prompts(folder / "config_sentence_transformers.json", steps);
  const fs::path list = folder / "modules.json";
  if (!is_there(list)) return steps;
  steps.from_files = true;
  const Json modules = read_json(list);
  if (!modules.is_array() || modules.empty()) {
    throw Error(ErrorCode::corrupt_data,
                fmt::format("{}: must be a list of modules but is not", list.string()));
  }
  bool pooled = false;
  for (size_t i = 0; i < modules.size(); ++i) {
    const ConfigReader module(modules[i], fmt::format("{}, module {}", list.string(), i));
    const fs::path path = module_folder(folder, module);
    const std::string type = class_name(module.text("type"));
    if (i == 0 && type == "Transformer") {
      *encoder_folder = path;
    } else if (i > 0 && type == "Pooling" && !pooled) {
      const ConfigReader config = ConfigReader::open(path / "config.json");
      steps.pooling = read_pooling(config);
      steps.include_prompt = config.boolean("include_prompt", true);
      pooled = true;
    } else if (pooled && type == "Dense" && !steps.normalize) {
      steps.dense.push_back(read_dense(path));
    } else if (pooled && type == "Normalize") {
      steps.normalize = true;
    } else {
      refuse(list,
             fmt::format("module {} is {}; Heed does Transformer, Pooling, Dense (any number) "
                         "and Normalize, in this order",
                         i, type));
    }
  }
  if (!pooled) refuse(list, "there is no Pooling module");
  read_encoder_settings(*encoder_folder, steps);
  return steps;
}

}  // namespace heed
