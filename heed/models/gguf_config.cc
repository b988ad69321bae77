// A GGUF file's metadata under the names of config.json.

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/io/json.h"
#include "heed/models/gguf_model.h"
#include "heed/models/gguf_names.h"

namespace heed {
namespace {

/// The double that the shortest decimal of an f32 means: 1e-05, not 9.99999974e-06. Both are the
/// same f32.
double shortest(double value) {
  const auto narrow = static_cast<float>(value);
  if (!std::isfinite(narrow)) return value;
  char digits[32];
  const auto end = std::to_chars(std::begin(digits), std::end(digits), narrow).ptr;
  double result = 0;
  std::from_chars(digits, end, result);
  return result;
}

/// Metadata of one architecture: "block_count" is "llama.block_count".
class Keys {
 public:
  Keys(const Gguf& file, std::string_view architecture)
      : file_(file), prefix_(std::string(architecture) + ".") {}

  std::optional<int64_t> integer(std::string_view name) const {
    return file_.integer(prefix_ + std::string(name));
  }
  int64_t needed_integer(std::string_view name) const {
    const auto value = integer(name);
    if (!value) fail_absent(name, "an integer");
    return *value;
  }
  std::optional<double> number(std::string_view name) const {
    const auto value = file_.number(prefix_ + std::string(name));
    return value ? std::optional(shortest(*value)) : std::nullopt;
  }
  double needed_number(std::string_view name) const {
    const auto value = number(name);
    if (!value) fail_absent(name, "a number");
    return *value;
  }
  std::string text(std::string_view name) const {
    return std::string(file_.text(prefix_ + std::string(name)).value_or(""));
  }
  [[noreturn]] void refuse(std::string_view name, const std::string& found) const {
    throw Error(ErrorCode::unsupported, file_.where() + ": metadata " +
                                            in_quotes(prefix_ + std::string(name)) + " " + found);
  }

 private:
  [[noreturn]] void fail_absent(std::string_view name, const char* needed) const {
    throw Error(ErrorCode::corrupt_data, file_.where() + ": metadata " +
                                             in_quotes(prefix_ + std::string(name)) + " (" +
                                             needed + ") is needed but absent");
  }

  const Gguf& file_;
  std::string prefix_;
};

/// The table of a tensor with factors of angles, if there is one.
std::optional<std::vector<double>> factors(const Gguf& file, const char* name) {
  const auto found = file.tensors().find(name);
  if (found == file.tensors().end()) return std::nullopt;
  const Tensor table = file.load(name).to(DType::f32).contiguous();
  std::vector<double> factors;
  for (const float factor : table.span<float>()) factors.push_back(shortest(factor));
  return factors;
}

/// How far apart positions stand: rope_scaling, null for as they are.
Json rope_scaling(const Gguf& file, const Keys& keys, int64_t positions) {
  const int64_t before = keys.integer("rope.scaling.original_context_length").value_or(positions);
  const auto attention = keys.number("rope.scaling.attn_factor");
  const auto shorter = factors(file, "rope_factors_short.weight");
  const auto longer = factors(file, "rope_factors_long.weight");
  const auto always = factors(file, "rope_freqs.weight");
  if (always || (shorter && longer)) {
    // Llama 3's scaling is in the file as what each frequency is divided by, at any length, which
    // is how LongRoPE says it
    Json scaling = {{"rope_type", "longrope"},
                    {"short_factor", always ? *always : *shorter},
                    {"long_factor", always ? *always : *longer},
                    {"original_max_position_embeddings", always ? positions : before}};
    if (always) {
      scaling["factor"] = 1.0;
      scaling["attention_factor"] = 1.0;
    } else if (attention) {
      scaling["attention_factor"] = *attention;
    }
    return scaling;
  }
  const std::string type = keys.text("rope.scaling.type");
  if (type.empty() || type == "none") {
    const auto old_style = keys.number("rope.scale_linear");
    if (!old_style || *old_style == 1) return nullptr;
    return {{"rope_type", "linear"}, {"factor", *old_style}};
  }
  if (type != "linear" && type != "yarn") {
    keys.refuse("rope.scaling.type", "is " + in_quotes(type) +
                                         ", needed none, linear, yarn, or longrope with the "
                                         "tensors rope_factors_short and rope_factors_long");
  }
  Json scaling = {{"rope_type", type}, {"factor", keys.needed_number("rope.scaling.factor")}};
  if (type == "linear") return scaling;
  scaling["original_max_position_embeddings"] = before;
  if (const auto fast = keys.number("rope.scaling.yarn_beta_fast")) scaling["beta_fast"] = *fast;
  if (const auto slow = keys.number("rope.scaling.yarn_beta_slow")) scaling["beta_slow"] = *slow;
  if (attention && *attention != 1) {  // llama.cpp multiplies YaRN's own by it
    const double factor = scaling["factor"].get<double>();
    scaling["attention_factor"] = *attention * (factor > 1 ? 0.1 * std::log(factor) + 1 : 1);
  }
  return scaling;
}

bool has_tensor(const Gguf& file, const char* name) { return file.tensors().contains(name); }

void add_heads(const Keys& keys, Json& config) {
  const int64_t heads = keys.needed_integer("attention.head_count");
  const int64_t width = keys.needed_integer("embedding_length");
  const int64_t head_dim =
      keys.integer("attention.key_length").value_or(heads > 0 ? width / heads : 0);
  const int64_t value_dim = keys.integer("attention.value_length").value_or(head_dim);
  if (value_dim != head_dim) {
    keys.refuse("attention.value_length",
                fmt::format("is {}, needed that of the keys, {}", value_dim, head_dim));
  }
  config["num_attention_heads"] = heads;
  config["num_key_value_heads"] = keys.integer("attention.head_count_kv").value_or(heads);
  config["head_dim"] = head_dim;
  const int64_t rotated = keys.integer("rope.dimension_count").value_or(head_dim);
  if (rotated != head_dim && head_dim > 0) {
    config["partial_rotary_factor"] = static_cast<double>(rotated) / static_cast<double>(head_dim);
  }
}

void add_llama_family(const Gguf& file, const Keys& keys, const GgufArchitecture& architecture,
                      Json& config) {
  const int64_t positions = keys.needed_integer("context_length");
  config["hidden_size"] = keys.needed_integer("embedding_length");
  config["num_hidden_layers"] = keys.needed_integer("block_count");
  config["intermediate_size"] = keys.needed_integer("feed_forward_length");
  config["max_position_embeddings"] = positions;
  add_heads(keys, config);
  config["rms_norm_eps"] = keys.needed_number("attention.layer_norm_rms_epsilon");
  config["hidden_act"] = "silu";
  config["rope_theta"] = keys.number("rope.freq_base").value_or(10000);
  if (Json scaling = rope_scaling(file, keys, positions); !scaling.is_null()) {
    if (scaling.contains("original_max_position_embeddings")) {
      config["original_max_position_embeddings"] = scaling["original_max_position_embeddings"];
    }
    config["rope_scaling"] = std::move(scaling);
  }
  config["attention_bias"] = has_tensor(file, "blk.0.attn_q.bias");
  config["mlp_bias"] = has_tensor(file, "blk.0.ffn_down.bias");
  if (architecture.interleaved) config["rope_interleaved"] = true;
  const int64_t window = keys.integer("attention.sliding_window").value_or(0);
  if (window > 0) {
    config["sliding_window"] = window;
    config["use_sliding_window"] = true;
    config["max_window_layers"] = 0;
    if (architecture.name == "llama") {
      config["model_type"] = "mistral";
      config["architectures"] = Json::array({"MistralForCausalLM"});
    }
  }
}

void add_gpt2(const Keys& keys, Json& config) {
  config["n_embd"] = keys.needed_integer("embedding_length");
  config["n_layer"] = keys.needed_integer("block_count");
  config["n_head"] = keys.needed_integer("attention.head_count");
  config["n_inner"] = keys.needed_integer("feed_forward_length");
  config["n_positions"] = keys.needed_integer("context_length");
  config["layer_norm_epsilon"] = keys.needed_number("attention.layer_norm_epsilon");
  config["activation_function"] = "gelu_new";
}

void add_ids(const Gguf& file, Json& config) {
  const auto add = [&](const char* field, const char* key) {
    if (const auto id = file.integer(key)) config[field] = *id;
  };
  add("bos_token_id", "tokenizer.ggml.bos_token_id");
  add("pad_token_id", "tokenizer.ggml.padding_token_id");
  Json ends = Json::array();  // of a text, a turn, a message
  for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id",
                          "tokenizer.ggml.eom_token_id"}) {
    const auto id = file.integer(key);
    if (id && std::find(ends.begin(), ends.end(), Json(*id)) == ends.end()) ends.push_back(*id);
  }
  if (!ends.empty()) config["eos_token_id"] = ends.size() == 1 ? ends[0] : ends;
}

int64_t vocab_of(const Gguf& file) {
  const auto table = file.tensors().find("token_embd.weight");
  if (table == file.tensors().end() || table->second.shape.rank() != 2) {
    throw Error(ErrorCode::corrupt_data,
                file.where() + ": needed a matrix token_embd.weight, found " +
                    (table == file.tensors().end() ? "none" : to_string(table->second.shape)));
  }
  return table->second.shape[0];
}

}  // namespace

ConfigReader gguf_config(const Gguf& file) {
  const auto name = file.text("general.architecture");
  if (!name) {
    throw Error(ErrorCode::corrupt_data,
                file.where() + ": metadata 'general.architecture' is needed but absent");
  }
  const GgufArchitecture& architecture = gguf_architecture(*name, file.where());
  const Keys keys(file, architecture.name);
  if (keys.integer("expert_count").value_or(0) > 0) {
    keys.refuse("expert_count", "asks for a mixture of experts, which Heed does not have");
  }
  if (const int64_t parts = file.integer("split.count").value_or(1); parts > 1) {
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: is one of {} files of a model; join them first "
                            "(llama-gguf-split --merge FIRST OUT)",
                            file.where(), parts));
  }
  Json config = {{"model_type", architecture.model_type},
                 {"architectures", Json::array({architecture.class_name})},
                 {"vocab_size", vocab_of(file)},
                 {"tie_word_embeddings", !has_tensor(file, "output.weight")}};
  if (architecture.name == "gpt2") {
    add_gpt2(keys, config);
  } else {
    add_llama_family(file, keys, architecture, config);
  }
  add_ids(file, config);
  return {std::move(config), file.where()};
}

}  // namespace heed
