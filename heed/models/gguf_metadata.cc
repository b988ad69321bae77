#include "heed/models/gguf_metadata.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <memory>
#include <numbers>

#include "heed/base/error.h"

namespace heed {
namespace {

constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
constexpr double kLargest = 1e12;

/// Writes fields of a config.json under keys of one architecture.
class Fields {
 public:
  Fields(const ConfigReader& config, const GgufArchitecture& architecture, GgufWriter& writer)
      : config_(config), prefix_(std::string(architecture.name) + "."), writer_(writer) {}

  int64_t integer(const char* key, const char* field, std::optional<int64_t> fallback = {}) const {
    const int64_t value = config_.integer(field, 0, kMost, fallback);
    add(key, value);
    return value;
  }
  void number(const char* key, const char* field, std::optional<double> fallback = {}) const {
    add_number(key, config_.number(field, 0, kLargest, fallback));
  }
  void add(const char* key, int64_t value) const {
    writer_.add_u32(prefix_ + key, static_cast<uint32_t>(value));
  }
  void add_number(const char* key, double value) const {
    writer_.add_f32(prefix_ + key, static_cast<float>(value));
  }
  void add_text(const char* key, std::string_view value) const {
    writer_.add_text(prefix_ + key, value);
  }
  /// A table of angles' factors.
  void add_table(const char* name, std::vector<float> values) const {
    const auto size = static_cast<int64_t>(values.size());
    writer_.add_tensor({name,
                        BlockKind::f32,
                        {size},
                        [kept = std::make_shared<std::vector<float>>(std::move(values))](
                            const ByteSink& put) { put(std::as_bytes(std::span(*kept))); }});
  }

 private:
  const ConfigReader& config_;
  std::string prefix_;
  GgufWriter& writer_;
};

/// rope_parameters (transformers 5), else rope_scaling, else nothing.
ConfigReader rope_of(const ConfigReader& config) {
  for (const char* field : {"rope_parameters", "rope_scaling"}) {
    if (config.has(field)) return {config.json()[field], config.where() + ", " + field};
  }
  return {Json::object(), config.where()};
}

/// What Llama 3.1 divides the frequencies by: those of short waves by 1, of long ones by `factor`,
/// with a ramp between (heed/nn/rotary_positions.h).
std::vector<float> llama3_divisors(const ConfigReader& rope, double base, int64_t rotary_dim,
                                   double positions) {
  const double factor = rope.number("factor", 1e-3, kLargest);
  const double slow = rope.number("low_freq_factor", 1e-3, kLargest);
  const double fast = rope.number("high_freq_factor", 1e-3, kLargest);
  std::vector<float> divisors;
  for (int64_t i = 0; i < rotary_dim; i += 2) {
    const double exponent = static_cast<double>(i) / static_cast<double>(rotary_dim);
    const double turns = positions / (2 * std::numbers::pi * std::pow(base, exponent));
    double divisor = turns > fast ? 1 : factor;
    if (turns >= slow && turns <= fast) {
      const double share = (turns - slow) / (fast - slow);
      divisor = 1 / ((1 - share) / factor + share);
    }
    divisors.push_back(static_cast<float>(divisor));
  }
  return divisors;
}

std::vector<float> numbers_of(const ConfigReader& rope, const char* field) {
  const auto fail = [&] { rope.refuse(field, "a list of numbers"); };
  if (!rope.has(field) || !rope.json()[field].is_array()) fail();
  std::vector<float> numbers;
  for (const Json& value : rope.json()[field]) {
    if (!value.is_number()) fail();
    numbers.push_back(value.get<float>());
  }
  return numbers;
}

/// What llama.cpp does not take for granted of YaRN.
void add_yarn(const ConfigReader& rope, const Fields& fields, int64_t original) {
  if (!rope.boolean("truncate", true)) rope.refuse("truncate", "true for a GGUF file");
  fields.add("rope.scaling.original_context_length", original);
  for (const char* field : {"beta_fast", "beta_slow"}) {
    if (!rope.has(field)) continue;
    fields.add_number(fmt::format("rope.scaling.yarn_{}", field).c_str(),
                      rope.number(field, 1e-3, kLargest));
  }
  const double factor = rope.number("factor", 1e-3, kLargest);
  const auto amplitude = [&](double share) {
    return factor <= 1 ? 1 : 0.1 * share * std::log(factor) + 1;
  };
  const double share = rope.number("mscale", 0, kLargest, 0);
  const double of_all = rope.number("mscale_all_dim", 0, kLargest, 0);
  const double usual = amplitude(1);
  const double given =
      rope.number("attention_factor", 1e-3, kLargest,
                  share > 0 && of_all > 0 ? amplitude(share) / amplitude(of_all) : usual);
  if (given != usual) fields.add_number("rope.scaling.attn_factor", given / usual);
}

void add_positions(const ConfigReader& config, const Fields& fields, int64_t head_dim) {
  const ConfigReader rope = rope_of(config);
  const double base =
      rope.number("rope_theta", 1, kLargest, config.number("rope_theta", 1, kLargest, 10000));
  const char* const partial = "partial_rotary_factor";
  const double share = rope.number(partial, 0, 1, config.number(partial, 0, 1, 1));
  const auto rotary_dim = static_cast<int64_t>(static_cast<double>(head_dim) * share);
  fields.add("rope.dimension_count", rotary_dim);
  fields.add_number("rope.freq_base", base);
  const int64_t positions = config.integer("max_position_embeddings", 1, kMost);
  const char* const original_field = "original_max_position_embeddings";
  const int64_t original =
      rope.integer(original_field, 1, kMost, config.integer(original_field, 1, kMost, positions));
  const std::string type = rope.text("rope_type", rope.text("type", "default"));
  if (type == "linear" || type == "yarn") {
    fields.add_text("rope.scaling.type", type);
    fields.add_number("rope.scaling.factor", rope.number("factor", 1e-3, kLargest));
    if (type == "yarn") add_yarn(rope, fields, original);
  } else if (type == "llama3") {
    fields.add_table("rope_freqs.weight",
                     llama3_divisors(rope, base, rotary_dim, static_cast<double>(original)));
  } else if (type == "longrope" || type == "su") {
    const double stretch = static_cast<double>(positions) / static_cast<double>(original);
    const double usual =
        stretch <= 1 ? 1
                     : std::sqrt(1 + std::log(stretch) / std::log(static_cast<double>(original)));
    fields.add("rope.scaling.original_context_length", original);
    fields.add_number("rope.scaling.attn_factor",
                      rope.number("attention_factor", 1e-3, kLargest, usual));
    fields.add_table("rope_factors_long.weight", numbers_of(rope, "long_factor"));
    fields.add_table("rope_factors_short.weight", numbers_of(rope, "short_factor"));
  } else if (type != "default" && type != "dynamic") {
    rope.refuse("rope_type", "default, linear, llama3, yarn or longrope for a GGUF file");
  }
}

void add_llama_family(const ConfigReader& config, const Fields& fields) {
  if (config.text("hidden_act", "silu") != "silu") {
    config.refuse("hidden_act", "silu for a GGUF file");
  }
  fields.integer("context_length", "max_position_embeddings");
  const int64_t width = fields.integer("embedding_length", "hidden_size");
  fields.integer("block_count", "num_hidden_layers");
  fields.integer("feed_forward_length", "intermediate_size");
  const int64_t heads = fields.integer("attention.head_count", "num_attention_heads");
  fields.integer("attention.head_count_kv", "num_key_value_heads", heads);
  const int64_t head_dim =
      config.integer("head_dim", 1, kMost, width / std::max<int64_t>(heads, 1));
  fields.add("attention.key_length", head_dim);
  fields.add("attention.value_length", head_dim);
  fields.number("attention.layer_norm_rms_epsilon", "rms_norm_eps", 1e-6);
  const bool windowed = config.text("model_type", "") == "mistral" ||
                        config.text("model_type", "") == "phi3" ||
                        config.boolean("use_sliding_window", false);
  if (windowed && config.has("sliding_window")) {
    fields.integer("attention.sliding_window", "sliding_window");
  }
  add_positions(config, fields, head_dim);
}

void add_gpt2(const ConfigReader& config, const Fields& fields) {
  const std::string activation = config.text("activation_function", "gelu_new");
  if (activation != "gelu_new" && activation != "gelu_pytorch_tanh") {
    config.refuse("activation_function", "gelu_new for a GGUF file");
  }
  if (!config.boolean("scale_attn_weights", true)) {
    config.refuse("scale_attn_weights", "true for a GGUF file");
  }
  if (config.boolean("scale_attn_by_inverse_layer_idx", false)) {
    config.refuse("scale_attn_by_inverse_layer_idx", "false for a GGUF file");
  }
  fields.integer("context_length", "n_positions");
  const int64_t width = fields.integer("embedding_length", "n_embd");
  fields.integer("block_count", "n_layer");
  fields.integer("feed_forward_length", "n_inner", 4 * width);
  fields.integer("attention.head_count", "n_head");
  fields.number("attention.layer_norm_epsilon", "layer_norm_epsilon", 1e-5);
}

}  // namespace

void add_gguf_metadata(const ConfigReader& config, const GgufArchitecture& architecture,
                       GgufWriter& writer) {
  writer.add_text("general.architecture", architecture.name);
  writer.add_text("general.type", "model");
  const Fields fields(config, architecture, writer);
  fields.integer("vocab_size", "vocab_size");
  if (architecture.name == "gpt2") {
    add_gpt2(config, fields);
  } else {
    add_llama_family(config, fields);
  }
}

void add_gguf_file_type(BlockKind kind, GgufWriter& writer) {
  uint32_t type = 0;  // llama.h's llama_ftype
  switch (kind) {
    case BlockKind::f16:
      type = 1;
      break;
    case BlockKind::q4_0:
      type = 2;
      break;
    case BlockKind::q4_1:
      type = 3;
      break;
    case BlockKind::q8_0:
      type = 7;
      break;
    case BlockKind::bf16:
      type = 32;
      break;
    default:
      break;
  }
  writer.add_u32("general.file_type", type);
  if (block_size(kind) > 1) writer.add_u32("general.quantization_version", 2);
}

}  // namespace heed
