// What a config.json leaves out is what transformers' configuration class has
// (tools/make_config_goldens.py).

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "heed/io/json.h"
#include "heed/models/albert.h"
#include "heed/models/config.h"
#include "heed/models/distilbert.h"
#include "heed/models/electra.h"
#include "heed/models/gpt2.h"
#include "heed/models/llama.h"
#include "heed/models/marian.h"
#include "heed/models/mbart.h"
#include "heed/models/mistral.h"
#include "heed/models/pegasus.h"
#include "heed/models/phi3.h"
#include "heed/models/qwen2.h"
#include "heed/models/qwen3.h"
#include "heed/models/roberta.h"
#include "heed/models/t5.h"
#include "tests/support.h"

namespace heed {
namespace {

/// By the names of config.json.
struct Read {
  Activation activation;
  std::map<std::string, double> numbers;
};

Read fields_of(const BertConfig& config) {
  return {config.activation,
          {{"layer_norm_eps", config.epsilon},
           {"type_vocab_size", config.types},
           {"embedding_size", config.embedding_width},
           {"pad_token_id", config.padding}}};
}

Read fields_of(const Gpt2Config& config) {
  return {config.activation,
          {{"layer_norm_epsilon", config.epsilon},
           {"scale_attn_weights", config.scale_by_size},
           {"scale_attn_by_inverse_layer_idx", config.scale_by_layer},
           {"tie_word_embeddings", config.tied},
           {"n_inner", config.feed_forward}}};
}

Read fields_of(const DecoderConfig& config) {
  const bool windowed = std::ranges::count(config.windowed, true) == config.layers;
  return {config.activation,
          {{"rms_norm_eps", config.epsilon},
           {"tie_word_embeddings", config.tied},
           {"num_key_value_heads", config.kv_heads},
           {"head_dim", config.head_dim},
           {"attention_bias", config.output_bias},
           {"mlp_bias", config.feed_forward_bias},
           {"sliding_window", windowed ? config.window : 0},
           {"rope_theta", config.rotary_base},
           {"amplitude", config.scaling.amplitude},
           {"pad_token_id", config.padding}}};
}

Read fields_of(const T5Config& config) {
  return {config.activation,
          {{"layer_norm_epsilon", config.epsilon},
           {"relative_attention_num_buckets", config.buckets},
           {"relative_attention_max_distance", config.max_distance},
           {"num_decoder_layers", config.decoder_layers},
           {"gated", config.gated},
           {"scaled", config.scaled}}};
}

Read fields_of(const BartConfig& config) {
  return {config.activation,
          {{"max_position_embeddings", config.positions},
           {"scale_embedding", config.scaled},
           {"tie_word_embeddings", config.tied},
           {"pad_token_id", config.padding}}};
}

template <class Config>
Read read(const ConfigReader& file) {
  return fields_of(Config::read(file));
}

using Reader = Read (*)(const ConfigReader& file);

const std::map<std::string, Reader> kReaders = {
    {"albert", read<AlbertConfig>},
    {"bert", read<BertConfig>},
    {"camembert", read<RobertaConfig>},
    {"distilbert", read<DistilBertConfig>},
    {"electra", read<ElectraConfig>},
    {"roberta", read<RobertaConfig>},
    {"xlm-roberta", read<RobertaConfig>},
    {"gpt2", read<Gpt2Config>},
    {"llama", read<LlamaConfig>},
    {"mistral", read<MistralConfig>},
    {"phi3", read<Phi3Config>},
    {"qwen2", read<Qwen2Config>},
    {"qwen3", read<Qwen3Config>},
    {"t5", read<T5Config>},
    {"mt5", read<T5Config>},
    {"bart", read<BartConfig>},
    {"mbart", read<MBartConfig>},
    {"marian", read<MarianConfig>},
    {"pegasus", read<PegasusConfig>},
};

TEST(ConfigDefaults, AreThoseOfTransformers) {
  std::set<std::string> seen;
  const Json golden = read_json(testing::golden_folder() / "config_defaults.json");
  for (const Json& one : golden["cases"]) {
    const std::string type = one["model_type"];
    seen.insert(type);
    const Read found = kReaders.at(type)({one["config"], "test"});
    EXPECT_EQ(found.activation, activation_from_name(one["activation"].get<std::string>()))
        << one["config"];
    for (const auto& [name, expected] : one["numbers"].items()) {
      ASSERT_TRUE(found.numbers.contains(name)) << name;
      const double value = expected;
      EXPECT_NEAR(found.numbers.at(name), value, 1e-6 * std::abs(value)) << name << one["config"];
    }
  }
  EXPECT_EQ(seen.size(), kReaders.size());
}

}  // namespace
}  // namespace heed
