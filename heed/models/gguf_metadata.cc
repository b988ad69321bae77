#include "heed/models/gguf_metadata.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <numbers>

#include "heed/base/error.h"
#include "heed/io/json.h"
#include "heed/models/decoder_config.h"
#include "heed/models/llama.h"
#include "heed/models/mistral.h"
#include "heed/models/phi3.h"
#include "heed/models/qwen2.h"
#include "heed/models/qwen3.h"

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

/// What Llama 3.1 divides the frequencies by: those of short waves by 1, of long ones by `factor`,
/// with a ramp between (heed/nn/rotary_positions.h).
std::vector<float> llama3_divisors(const RotaryScaling& scaling, double base, int64_t rotary_dim) {
  const double slow = scaling.slow, fast = scaling.fast, factor = scaling.factor;
  std::vector<float> divisors;
  for (int64_t i = 0; i < rotary_dim; i += 2) {
    const double exponent = static_cast<double>(i) / static_cast<double>(rotary_dim);
    const double turns =
        scaling.original_positions / (2 * std::numbers::pi * std::pow(base, exponent));
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
void add_yarn(const ConfigReader& rope, const RotaryScaling& scaling, const Fields& fields) {
  if (!rope.boolean("truncate", true)) rope.refuse("truncate", "true for a GGUF file");
  fields.add("rope.scaling.original_context_length",
             static_cast<int64_t>(scaling.original_positions));
  for (const char* field : {"beta_fast", "beta_slow"}) {
    if (!rope.has(field)) continue;
    fields.add_number(fmt::format("rope.scaling.yarn_{}", field).c_str(),
                      rope.number(field, 1e-3, kLargest));
  }
  const double usual = scaling.factor <= 1 ? 1 : 0.1 * std::log(scaling.factor) + 1;
  if (scaling.amplitude != usual) {
    fields.add_number("rope.scaling.attn_factor", scaling.amplitude / usual);
  }
}

void add_positions(const ConfigReader& config, const DecoderConfig& sizes, const Fields& fields) {
  const ConfigReader rope = rope_scaling_of(config);
  const RotaryScaling& scaling = sizes.scaling;
  const auto original = static_cast<int64_t>(scaling.original_positions);
  fields.add("rope.dimension_count", sizes.rotary_dim);
  fields.add_number("rope.freq_base", sizes.rotary_base);
  switch (scaling.kind) {
    case RotaryScaling::Kind::none:
      break;
    case RotaryScaling::Kind::linear:
      fields.add_text("rope.scaling.type", "linear");
      fields.add_number("rope.scaling.factor", scaling.factor);
      break;
    case RotaryScaling::Kind::yarn:
      fields.add_text("rope.scaling.type", "yarn");
      fields.add_number("rope.scaling.factor", scaling.factor);
      add_yarn(rope, scaling, fields);
      break;
    case RotaryScaling::Kind::llama3:
      fields.add_table("rope_freqs.weight",
                       llama3_divisors(scaling, sizes.rotary_base, sizes.rotary_dim));
      break;
    case RotaryScaling::Kind::each:
      fields.add("rope.scaling.original_context_length", original);
      fields.add_number("rope.scaling.attn_factor", scaling.amplitude);
      fields.add_table("rope_factors_long.weight", numbers_of(rope, "long_factor"));
      fields.add_table("rope_factors_short.weight", numbers_of(rope, "short_factor"));
      break;
  }
}

/// With what transformers' class has where a field is absent.
DecoderConfig read_sizes(const ConfigReader& config) {
  const std::string type = config.text("model_type", "");
  if (type == "mistral") return MistralConfig::read(config);
  if (type == "phi3") return Phi3Config::read(config);
  if (type == "qwen2") return Qwen2Config::read(config);
  if (type == "qwen3") return Qwen3Config::read(config);
  return LlamaConfig::read(config);
}

void add_window(const ConfigReader& config, const DecoderConfig& sizes, const Fields& fields) {
  const auto windowed = std::ranges::count(sizes.windowed, true);
  if (windowed == 0) return;
  if (windowed != sizes.layers) {
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: a GGUF file has a window for all layers or none, found one for {} "
                            "of {}",
                            config.where(), windowed, sizes.layers));
  }
  fields.add("attention.sliding_window", sizes.window);
}

void add_llama_family(const ConfigReader& config, const Fields& fields) {
  const DecoderConfig sizes = read_sizes(config);
  if (sizes.activation != Activation::silu) {
    config.refuse("hidden_act", "silu for a GGUF file");
  }
  fields.integer("context_length", "max_position_embeddings");
  fields.add("embedding_length", sizes.width);
  fields.add("block_count", sizes.layers);
  fields.add("feed_forward_length", sizes.feed_forward);
  fields.add("attention.head_count", sizes.heads);
  fields.add("attention.head_count_kv", sizes.kv_heads);
  fields.add("attention.key_length", sizes.head_dim);
  fields.add("attention.value_length", sizes.head_dim);
  fields.add_number("attention.layer_norm_rms_epsilon", sizes.epsilon);
  add_window(config, sizes, fields);
  add_positions(config, sizes, fields);
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
