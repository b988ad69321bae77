#include "heed/models/decoder_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "heed/base/error.h"
#include "heed/io/json.h"

namespace heed {
namespace {

using Kind = RotaryScaling::Kind;

constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
constexpr int64_t kWidest = 1 << 20;
constexpr double kLargest = 1e9;  // of factors, bases and the like

std::vector<double> read_divisors(const ConfigReader& rope, int64_t pairs) {
  const char* const field = "short_factor";
  const std::string needed = fmt::format("{} numbers above 0", pairs);
  if (!rope.has(field)) rope.refuse(field, needed);
  const Json& list = rope.json()[field];
  if (!list.is_array() || static_cast<int64_t>(list.size()) != pairs) rope.refuse(field, needed);
  std::vector<double> divisors;
  for (const Json& value : list) {
    const double divisor = value.is_number() ? value.get<double>() : 0;
    if (!(divisor > 0 && divisor <= kLargest)) rope.refuse(field, needed);
    divisors.push_back(divisor);
  }
  return divisors;
}

/// YaRN, sec. 3.4: queries and keys grow by 0.1 ln(factor) + 1.
double yarn_amplitude(double factor, double share) {
  return factor <= 1 ? 1 : 0.1 * share * std::log(factor) + 1;
}

void read_llama3(const ConfigReader& rope, RotaryScaling& scaling) {
  scaling.kind = Kind::llama3;
  scaling.factor = rope.number("factor", 1e-3, kLargest);
  scaling.slow = rope.number("low_freq_factor", 1e-3, kLargest);
  scaling.fast = rope.number("high_freq_factor", 1e-3, kLargest);
  if (scaling.fast <= scaling.slow) rope.refuse("high_freq_factor", "above low_freq_factor");
}

void read_yarn(const ConfigReader& rope, RotaryScaling& scaling, double natural_factor) {
  scaling.kind = Kind::yarn;
  scaling.factor = rope.number("factor", 1e-3, kLargest, natural_factor);
  scaling.fast = rope.number("beta_fast", 1e-3, kLargest, 32);
  scaling.slow = rope.number("beta_slow", 1e-3, kLargest, 1);
  scaling.whole_pairs = rope.boolean("truncate", true);
  const double share = rope.number("mscale", 0, kLargest, 0);
  const double of_all = rope.number("mscale_all_dim", 0, kLargest, 0);
  const double amplitude = share > 0 && of_all > 0 ? yarn_amplitude(scaling.factor, share) /
                                                         yarn_amplitude(scaling.factor, of_all)
                                                   : yarn_amplitude(scaling.factor, 1);
  scaling.amplitude = rope.number("attention_factor", 1e-3, kLargest, amplitude);
}

/// LongRoPE has other divisors for texts longer than the original positions, which would turn keys
/// that are in a cache already: Heed reads texts up to there.
void read_longrope(const ConfigReader& rope, DecoderConfig& config, double natural_factor) {
  RotaryScaling& scaling = config.scaling;
  scaling.kind = Kind::each;
  scaling.divisors = read_divisors(rope, config.rotary_dim / 2);
  const double factor = rope.number("factor", 1e-3, kLargest, natural_factor);
  const double natural =
      factor <= 1 ? 1 : std::sqrt(1 + std::log(factor) / std::log(scaling.original_positions));
  scaling.amplitude = rope.number("attention_factor", 1e-3, kLargest, natural);
  config.positions = std::min(config.positions, static_cast<int64_t>(scaling.original_positions));
}

/// num_key_value_heads: null is as many as heads, absent what transformers' class has.
int64_t read_kv_heads(const ConfigReader& file, std::string_view architecture, int64_t heads) {
  constexpr const char* kField = "num_key_value_heads";
  int64_t usual = heads;
  if (!file.json().contains(kField)) {
    if (architecture == "mistral") usual = 8;
    if (architecture == "qwen2" || architecture == "qwen3") usual = 32;
  }
  const int64_t kv_heads = file.integer(kField, 1, heads, usual);
  if (heads % kv_heads != 0) {
    file.refuse(kField, fmt::format("a divisor of num_attention_heads {}", heads));
  }
  return kv_heads;
}

/// How long texts were before frequencies were scaled. Phi3Config has a field of its own for it,
/// which counts more than what rope_scaling says, even where a file leaves it out.
int64_t read_original_positions(const ConfigReader& file, const ConfigReader& rope,
                                const DecoderConfig& config) {
  constexpr const char* kField = "original_max_position_embeddings";
  constexpr int64_t kOfPhi3 = 4096;
  if (file.has(kField)) return file.integer(kField, 2, kMost);
  if (config.architecture == "phi3") return kOfPhi3;
  return rope.integer(kField, 2, kMost, std::max<int64_t>(config.positions, 2));
}

}  // namespace

ConfigReader rope_scaling_of(const ConfigReader& file) {
  for (const char* field : {"rope_scaling", "rope_parameters"}) {
    if (!file.has(field)) continue;
    if (!file.json()[field].is_object()) file.refuse(field, "an object or null");
    if (file.json()[field].empty()) continue;
    return {file.json()[field], fmt::format("{}, {}", file.where(), field)};
  }
  return {Json::object(), file.where()};
}

void read_rotary(const ConfigReader& file, DecoderConfig& config) {
  const ConfigReader rope = rope_scaling_of(file);
  const char* const partial = "partial_rotary_factor";
  const double part = rope.number(partial, 0, 1, file.number(partial, 0, 1, 1));
  config.rotary_dim = static_cast<int64_t>(static_cast<double>(config.head_dim) * part);
  if (config.rotary_dim % 2 != 0) {
    file.refuse("head_dim",
                fmt::format("such that an even part of a head turns, not {}", config.rotary_dim));
  }
  const double base = file.number("rope_theta", 1, 1e12, 10000);
  config.rotary_base = rope.number("rope_theta", 1, 1e12, base);
  config.pairs =
      file.boolean("rope_interleaved", false) ? RotaryPairs::interleaved : RotaryPairs::halves;
  RotaryScaling& scaling = config.scaling;
  scaling.original_positions = static_cast<double>(read_original_positions(file, rope, config));
  const double natural_factor = static_cast<double>(config.positions) / scaling.original_positions;
  const std::string type = rope.text("rope_type", rope.text("type", "default"));
  // "dynamic" changes nothing up to max_position_embeddings, and longer texts are refused
  if (type == "default" || type == "dynamic") return;
  // as the first files of Phi-3 call it
  const bool is_longrope = type == "su" || (type == "yarn" && rope.has("short_factor"));
  if (type == "linear") {
    scaling.kind = Kind::linear;
    scaling.factor = rope.number("factor", 1e-3, kLargest);
  } else if (type == "llama3") {
    read_llama3(rope, scaling);
  } else if (type == "longrope" || is_longrope) {
    read_longrope(rope, config, natural_factor);
  } else if (type == "yarn") {
    read_yarn(rope, scaling, natural_factor);
  } else {
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: rope_type must be default, dynamic, linear, llama3, yarn or "
                            "longrope but is \"{}\"",
                            rope.where(), type));
  }
}

DecoderConfig read_decoder(const ConfigReader& file, const char* architecture) {
  DecoderConfig config{.architecture = architecture};
  config.vocab = file.integer("vocab_size", 1, kMost);
  config.width = file.integer("hidden_size", 1, kWidest);
  config.layers = file.integer("num_hidden_layers", 1, 1 << 12);
  config.heads = file.integer("num_attention_heads", 1, kWidest);
  config.kv_heads = read_kv_heads(file, architecture, config.heads);
  config.head_dim = file.integer("head_dim", 1, kWidest, config.width / config.heads);
  if (config.head_dim == 0) {
    file.refuse("hidden_size", fmt::format("at least num_attention_heads {}", config.heads));
  }
  config.feed_forward = file.integer("intermediate_size", 1, kMost);
  config.positions = file.integer("max_position_embeddings", 1, kMost);
  config.activation = activation_from_name(file.text("hidden_act", "silu"));
  config.epsilon = static_cast<float>(file.number("rms_norm_eps", 0, 1, 1e-6));
  config.padding = file.padding(config.architecture == "phi3" ? 32000 : -1, config.vocab);
  config.tied = file.boolean("tie_word_embeddings", false);
  return config;
}

void read_window(const ConfigReader& file, DecoderConfig& config, int64_t fallback) {
  if (file.json().contains("sliding_window") && !file.has("sliding_window")) return;  // null
  config.window = file.integer("sliding_window", 0, kMost, fallback);
  if (config.window > 0) config.windowed.assign(static_cast<size_t>(config.layers), true);
}

void read_windowed_layers(const ConfigReader& file, DecoderConfig& config) {
  const auto layers = static_cast<size_t>(config.layers);
  if (file.boolean("use_sliding_window", false)) read_window(file, config, 4096);
  const bool wide = config.window > 0;
  const int64_t first = file.integer("max_window_layers", 0, kMost, 28);
  config.windowed.assign(layers, false);
  for (size_t i = 0; i < layers; ++i) {
    config.windowed[i] = wide && static_cast<int64_t>(i) >= first;
  }
  if (!file.has("layer_types")) return;
  const std::string needed = fmt::format(
      "{} times \"full_attention\" or (with a sliding_window) \"sliding_attention\"", layers);
  const Json& types = file.json()["layer_types"];
  if (!types.is_array() || types.size() != layers) file.refuse("layer_types", needed);
  for (size_t i = 0; i < layers; ++i) {
    config.windowed[i] = types[i] == "sliding_attention";
    if (types[i] != "full_attention" && !(wide && config.windowed[i])) {
      file.refuse("layer_types", needed);
    }
  }
}

}  // namespace heed
