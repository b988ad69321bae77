#include "heed/models/registry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <span>

#include "heed/base/error.h"
#include "heed/models/albert.h"
#include "heed/models/bart.h"
#include "heed/models/bert.h"
#include "heed/models/config.h"
#include "heed/models/converted_params.h"
#include "heed/models/decoder.h"
#include "heed/models/distilbert.h"
#include "heed/models/electra.h"
#include "heed/models/gpt2.h"
#include "heed/models/llama.h"
#include "heed/models/marian.h"
#include "heed/models/mbart.h"
#include "heed/models/mistral.h"
#include "heed/models/model_files.h"
#include "heed/models/pegasus.h"
#include "heed/models/phi3.h"
#include "heed/models/qwen2.h"
#include "heed/models/qwen3.h"
#include "heed/models/recurrent.h"
#include "heed/models/roberta.h"
#include "heed/models/t5.h"
#include "heed/models/transformer.h"

namespace heed {
namespace {

namespace fs = std::filesystem;

template <class Kind>
using Make = std::shared_ptr<const Kind> (*)(const ConfigReader& config, const Params& params);

template <class Kind>
struct Entry {
  const char* model_type;
  const char* class_prefix;  // of the names in "architectures", for old files without model_type
  Make<Kind> make;
};

template <class Kind, class Model, class Config>
std::shared_ptr<const Kind> make(const ConfigReader& config, const Params& params) {
  return std::make_shared<Model>(Config::read(config), params);
}

// Every architecture Heed has: a new one is a line here.

/// As CausalModel, and as Encoder.
template <class Kind>
constexpr Entry<Kind> kCausalModels[] = {
    {"gpt2", "GPT2", make<Kind, Gpt2, Gpt2Config>},
    {"llama", "Llama", make<Kind, Decoder, LlamaConfig>},
    {"mistral", "Mistral", make<Kind, Decoder, MistralConfig>},
    {"phi3", "Phi3", make<Kind, Decoder, Phi3Config>},
    {"qwen2", "Qwen2", make<Kind, Decoder, Qwen2Config>},
    {"qwen3", "Qwen3", make<Kind, Decoder, Qwen3Config>},
};

constexpr Entry<Encoder> kEncodersAlone[] = {
    {"bert", "Bert", make<Encoder, Bert, BertConfig>},
    {"albert", "Albert", make<Encoder, Bert, AlbertConfig>},
    {"camembert", "Camembert", make<Encoder, Bert, RobertaConfig>},
    {"distilbert", "DistilBert", make<Encoder, Bert, DistilBertConfig>},
    {"electra", "Electra", make<Encoder, Bert, ElectraConfig>},
    {"roberta", "Roberta", make<Encoder, Bert, RobertaConfig>},
    {"xlm-roberta", "XLMRoberta", make<Encoder, Bert, RobertaConfig>},
};

constexpr Entry<EncoderDecoder> kEncoderDecoders[] = {
    {"bart", "Bart", make<EncoderDecoder, Bart, BartConfig>},
    {"marian", "Marian", make<EncoderDecoder, Bart, MarianConfig>},
    {"mbart", "MBart", make<EncoderDecoder, Bart, MBartConfig>},
    {"mt5", "MT5", make<EncoderDecoder, T5, T5Config>},
    {"pegasus", "Pegasus", make<EncoderDecoder, Bart, PegasusConfig>},
    {"recurrent", "Recurrent", make<EncoderDecoder, Recurrent, RecurrentConfig>},
    {"t5", "T5", make<EncoderDecoder, T5, T5Config>},
    {"transformer2017", "Transformer2017", make<EncoderDecoder, Transformer, TransformerConfig>},
};

/// What a config.json calls its model.
struct Names {
  std::string type;
  std::string architecture;

  template <class Kind>
  bool matches(const Entry<Kind>& entry) const {
    return type.empty() ? architecture.starts_with(entry.class_prefix) : type == entry.model_type;
  }
};

Names read_names(const ConfigReader& config) {
  Names found{.type = config.text("model_type", ""), .architecture = ""};
  if (!config.has("architectures")) return found;
  const Json& names = config.json()["architectures"];
  if (!names.is_array() || (!names.empty() && !names[0].is_string())) {
    config.refuse("architectures", "a list of names");
  }
  if (!names.empty()) found.architecture = names[0].get<std::string>();
  return found;
}

template <class Kind>
std::vector<std::string> known(std::span<const Entry<Kind>> entries) {
  std::vector<std::string> names;
  for (const Entry<Kind>& entry : entries) names.emplace_back(entry.model_type);
  return names;
}

constexpr auto kEncoders = [] {
  std::array<Entry<Encoder>, std::size(kEncodersAlone) + std::size(kCausalModels<Encoder>)> all{};
  std::ranges::copy(kCausalModels<Encoder>, std::ranges::copy(kEncodersAlone, all.begin()).out);
  return all;
}();

constexpr std::span<const Entry<Encoder>> kAllEncoders(kEncoders);
constexpr std::span<const Entry<CausalModel>> kAllCausalModels(kCausalModels<CausalModel>);
constexpr std::span<const Entry<EncoderDecoder>> kAllEncoderDecoders(kEncoderDecoders);

constexpr const char* kAnEncoder = "an encoder";
constexpr const char* kACausalModel = "a causal language model";
constexpr const char* kAnEncoderDecoder = "an encoder-decoder";

template <class Kind>
bool has(std::span<const Entry<Kind>> entries, const Names& names) {
  return std::ranges::any_of(entries, [&](const auto& entry) { return names.matches(entry); });
}

std::optional<ModelKind> kind_of(const Names& names) {
  if (has(kAllCausalModels, names)) return ModelKind::causal;
  if (has(kAllEncoderDecoders, names)) return ModelKind::encoder_decoder;
  if (has(kAllEncoders, names)) return ModelKind::encoder;
  return std::nullopt;
}

const char* kind_name(ModelKind kind) {
  switch (kind) {
    case ModelKind::encoder:
      return kAnEncoder;
    case ModelKind::causal:
      return kACausalModel;
    case ModelKind::encoder_decoder:
      return kAnEncoderDecoder;
  }
  HEED_ASSERT(false);
}

[[noreturn]] void refuse(const ConfigReader& config, const Names& names, std::string_view has) {
  throw Error(
      ErrorCode::unsupported,
      fmt::format("model: {} has model_type \"{}\" ({}), which Heed does not have{}",
                  config.where(), names.type,
                  names.architecture.empty() ? "no architectures" : names.architecture, has));
}

template <class Kind>
Make<Kind> find(std::span<const Entry<Kind>> entries, const char* kind,
                const ConfigReader& config) {
  const Names names = read_names(config);
  for (const Entry<Kind>& entry : entries) {
    if (names.matches(entry)) return entry.make;
  }
  const auto other = kind_of(names);
  refuse(config, names,
         fmt::format(" as {}; it has: {}{}{}", kind, fmt::join(known(entries), ", "),
                     other ? "; Heed has it as " : "", other ? kind_name(*other) : ""));
}

template <class Kind>
std::shared_ptr<const Kind> load(std::span<const Entry<Kind>> entries, const char* kind,
                                 const fs::path& model, const LoadOptions& options) {
  const ConfigReader config = read_model_config(model);
  const Make<Kind> make = find(entries, kind, config);
  const Params params = open_model_params(model, options.dtype);
  return make(config, options.int8_activations ? with_int8_inputs(params) : params);
}

}  // namespace

ModelKind model_kind(const fs::path& model) {
  const ConfigReader config = read_model_config(model);
  const Names names = read_names(config);
  if (const auto kind = kind_of(names)) return *kind;
  std::vector<std::string> all = known_encoders();
  for (std::string& name : known_encoder_decoders()) all.push_back(std::move(name));
  refuse(config, names, fmt::format("; it has: {}", fmt::join(all, ", ")));
}

std::vector<std::string> known_encoders() { return known(kAllEncoders); }

std::shared_ptr<const Encoder> load_encoder(const fs::path& model, const LoadOptions& options) {
  return load(kAllEncoders, kAnEncoder, model, options);
}

std::shared_ptr<const Encoder> make_encoder(const fs::path& config_json, const Params& params) {
  return make_encoder(ConfigReader::open(config_json), params);
}

std::shared_ptr<const Encoder> make_encoder(const ConfigReader& config, const Params& params) {
  return find(kAllEncoders, kAnEncoder, config)(config, params);
}

std::vector<std::string> known_causal_models() { return known(kAllCausalModels); }

std::shared_ptr<const CausalModel> load_causal_model(const fs::path& model,
                                                     const LoadOptions& options) {
  return load(kAllCausalModels, kACausalModel, model, options);
}

std::shared_ptr<const CausalModel> make_causal_model(const fs::path& config_json,
                                                     const Params& params) {
  return make_causal_model(ConfigReader::open(config_json), params);
}

std::shared_ptr<const CausalModel> make_causal_model(const ConfigReader& config,
                                                     const Params& params) {
  return find(kAllCausalModels, kACausalModel, config)(config, params);
}

std::vector<std::string> known_encoder_decoders() { return known(kAllEncoderDecoders); }

std::shared_ptr<const EncoderDecoder> load_encoder_decoder(const fs::path& folder,
                                                           const LoadOptions& options) {
  return load(kAllEncoderDecoders, kAnEncoderDecoder, folder, options);
}

std::shared_ptr<const EncoderDecoder> make_encoder_decoder(const fs::path& config_json,
                                                           const Params& params) {
  const ConfigReader config = ConfigReader::open(config_json);
  return find(kAllEncoderDecoders, kAnEncoderDecoder, config)(config, params);
}

}  // namespace heed
