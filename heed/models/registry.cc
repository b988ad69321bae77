#include "heed/models/registry.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <span>

#include "heed/base/error.h"
#include "heed/io/json.h"
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
  const char* equal_to;
  const char* checkpoints;
};

template <class Kind, class Model, class Config>
std::shared_ptr<const Kind> make(const ConfigReader& config, const Params& params) {
  return std::make_shared<Model>(Config::read(config), params);
}

// Every architecture Heed has: a new one is a line here.

/// As CausalModel, and as Encoder.
template <class Kind>
constexpr Entry<Kind> kCausalModels[] = {
    {"gpt2", "GPT2", make<Kind, Gpt2, Gpt2Config>, "GPT2LMHeadModel", "GPT-2, DistilGPT2"},
    {"llama", "Llama", make<Kind, Decoder, LlamaConfig>, "LlamaForCausalLM",
     "Llama 1 to 3.x, SmolLM2, TinyLlama"},
    {"mistral", "Mistral", make<Kind, Decoder, MistralConfig>, "MistralForCausalLM", "Mistral"},
    {"phi3", "Phi3", make<Kind, Decoder, Phi3Config>, "Phi3ForCausalLM", "Phi-3, Phi-4-mini"},
    {"qwen2", "Qwen2", make<Kind, Decoder, Qwen2Config>, "Qwen2ForCausalLM", "Qwen2, Qwen2.5"},
    {"qwen3", "Qwen3", make<Kind, Decoder, Qwen3Config>, "Qwen3ForCausalLM", "Qwen3"},
};

constexpr Entry<Encoder> kEncodersAlone[] = {
    {"albert", "Albert", make<Encoder, Bert, AlbertConfig>, "AlbertModel", "ALBERT"},
    {"bert", "Bert", make<Encoder, Bert, BertConfig>, "BertModel", "BERT, all-MiniLM"},
    {"camembert", "Camembert", make<Encoder, Bert, RobertaConfig>, "CamembertModel", "CamemBERT"},
    {"distilbert", "DistilBert", make<Encoder, Bert, DistilBertConfig>, "DistilBertModel",
     "DistilBERT"},
    {"electra", "Electra", make<Encoder, Bert, ElectraConfig>, "ElectraModel",
     "ELECTRA's generator and discriminator"},
    {"roberta", "Roberta", make<Encoder, Bert, RobertaConfig>, "RobertaModel",
     "RoBERTa, DistilRoBERTa"},
    {"xlm-roberta", "XLMRoberta", make<Encoder, Bert, RobertaConfig>, "XLMRobertaModel",
     "XLM-RoBERTa"},
};

constexpr Entry<EncoderDecoder> kEncoderDecoders[] = {
    {"bart", "Bart", make<EncoderDecoder, Bart, BartConfig>, "BartForConditionalGeneration",
     "BART, DistilBART"},
    {"marian", "Marian", make<EncoderDecoder, Bart, MarianConfig>, "MarianMTModel", "OPUS-MT"},
    {"mbart", "MBart", make<EncoderDecoder, Bart, MBartConfig>, "MBartForConditionalGeneration",
     "mBART, mBART-50"},
    {"mt5", "MT5", make<EncoderDecoder, T5, T5Config>, "MT5ForConditionalGeneration", "mT5"},
    {"pegasus", "Pegasus", make<EncoderDecoder, Bart, PegasusConfig>,
     "PegasusForConditionalGeneration", "PEGASUS"},
    {"recurrent", "Recurrent", make<EncoderDecoder, Recurrent, RecurrentConfig>,
     "PyTorch's nn.LSTM and nn.GRU", "what came before 2017"},
    {"t5", "T5", make<EncoderDecoder, T5, T5Config>, "T5ForConditionalGeneration",
     "T5, T5 1.1, FLAN-T5"},
    {"transformer2017", "Transformer2017", make<EncoderDecoder, Transformer, TransformerConfig>,
     "PyTorch's nn.Transformer", "what heed train translate makes"},
};

/// What a config.json calls its model.
struct Names {
  std::string type;
  std::string architecture;

  bool matches(std::string_view model_type, std::string_view class_prefix) const {
    return type.empty() ? architecture.starts_with(class_prefix) : type == model_type;
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

std::optional<KnownModel> known_as(const Names& names) {
  for (KnownModel& model : known_models()) {
    if (names.matches(model.model_type, model.class_prefix)) return std::move(model);
  }
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

template <class Kind>
void describe(std::vector<KnownModel>& to, std::span<const Entry<Kind>> entries, ModelKind kind) {
  for (const Entry<Kind>& entry : entries) {
    to.push_back({.model_type = entry.model_type,
                  .kind = kind,
                  .class_prefix = entry.class_prefix,
                  .equal_to = entry.equal_to,
                  .checkpoints = entry.checkpoints});
  }
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
    if (names.matches(entry.model_type, entry.class_prefix)) return entry.make;
  }
  const auto other = known_as(names);
  refuse(config, names,
         fmt::format(" as {}; it has: {}{}{}", kind, fmt::join(known(entries), ", "),
                     other ? "; Heed has it as " : "", other ? kind_name(other->kind) : ""));
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

std::string_view name_of(ModelKind kind) {
  const std::string_view name = kind_name(kind);
  return name.substr(name.find(' ') + 1);  // after the article
}

std::vector<KnownModel> known_models() {
  std::vector<KnownModel> all;
  describe(all, std::span<const Entry<Encoder>>(kEncodersAlone), ModelKind::encoder);
  describe(all, kAllCausalModels, ModelKind::causal);
  describe(all, kAllEncoderDecoders, ModelKind::encoder_decoder);
  return all;
}

KnownModel known_model(const ConfigReader& config) {
  const Names names = read_names(config);
  if (auto model = known_as(names)) return *std::move(model);
  std::vector<std::string> types;
  for (const KnownModel& model : known_models()) types.push_back(model.model_type);
  refuse(config, names, fmt::format("; it has: {}", fmt::join(types, ", ")));
}

ModelKind model_kind(const fs::path& model) { return known_model(read_model_config(model)).kind; }

std::shared_ptr<const Encoder> load_encoder(const fs::path& model, const LoadOptions& options) {
  return load(kAllEncoders, kAnEncoder, model, options);
}

std::shared_ptr<const Encoder> make_encoder(const fs::path& config_json, const Params& params) {
  return make_encoder(ConfigReader::open(config_json), params);
}

std::shared_ptr<const Encoder> make_encoder(const ConfigReader& config, const Params& params) {
  return find(kAllEncoders, kAnEncoder, config)(config, params);
}

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

std::shared_ptr<const EncoderDecoder> load_encoder_decoder(const fs::path& folder,
                                                           const LoadOptions& options) {
  return load(kAllEncoderDecoders, kAnEncoderDecoder, folder, options);
}

std::shared_ptr<const EncoderDecoder> make_encoder_decoder(const fs::path& config_json,
                                                           const Params& params) {
  return make_encoder_decoder(ConfigReader::open(config_json), params);
}

std::shared_ptr<const EncoderDecoder> make_encoder_decoder(const ConfigReader& config,
                                                           const Params& params) {
  return find(kAllEncoderDecoders, kAnEncoderDecoder, config)(config, params);
}

}  // namespace heed
