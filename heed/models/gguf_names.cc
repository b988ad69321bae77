#include "heed/models/gguf_names.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <span>

#include "heed/base/error.h"
#include "heed/base/message.h"

namespace heed {
namespace {

struct Pair {
  std::string_view gguf;
  std::string_view hugging_face;
};

struct Names {
  std::span<const Pair> outer;
  std::string_view layers;  // Hugging Face's prefix; GGUF's is "blk."
  std::span<const Pair> inner;
};

constexpr std::string_view kBlocks = "blk.";

constexpr Pair kLlamaOuter[] = {
    {"token_embd", "model.embed_tokens"}, {"output_norm", "model.norm"}, {"output", "lm_head"}};
constexpr Pair kLlamaInner[] = {
    {"attn_norm", "input_layernorm"},    {"attn_q", "self_attn.q_proj"},
    {"attn_k", "self_attn.k_proj"},      {"attn_v", "self_attn.v_proj"},
    {"attn_output", "self_attn.o_proj"}, {"attn_q_norm", "self_attn.q_norm"},
    {"attn_k_norm", "self_attn.k_norm"}, {"ffn_norm", "post_attention_layernorm"},
    {"ffn_gate", "mlp.gate_proj"},       {"ffn_up", "mlp.up_proj"},
    {"ffn_down", "mlp.down_proj"}};
constexpr Pair kPhi3Inner[] = {
    {"attn_norm", "input_layernorm"},    {"attn_qkv", "self_attn.qkv_proj"},
    {"attn_output", "self_attn.o_proj"}, {"ffn_norm", "post_attention_layernorm"},
    {"ffn_up", "mlp.gate_up_proj"},      {"ffn_down", "mlp.down_proj"}};
constexpr Pair kGpt2Outer[] = {{"token_embd", "transformer.wte"},
                               {"position_embd", "transformer.wpe"},
                               {"output_norm", "transformer.ln_f"},
                               {"output", "lm_head"}};
constexpr Pair kGpt2Inner[] = {{"attn_norm", "ln_1"},          {"attn_qkv", "attn.c_attn"},
                               {"attn_output", "attn.c_proj"}, {"ffn_norm", "ln_2"},
                               {"ffn_up", "mlp.c_fc"},         {"ffn_down", "mlp.c_proj"}};

constexpr GgufArchitecture kArchitectures[] = {
    {"gpt2", "gpt2", "GPT2LMHeadModel"},    {"llama", "llama", "LlamaForCausalLM", true},
    {"phi3", "phi3", "Phi3ForCausalLM"},    {"qwen2", "qwen2", "Qwen2ForCausalLM"},
    {"qwen3", "qwen3", "Qwen3ForCausalLM"},
};
// Mistral's files say llama: it differs by a window alone
constexpr std::string_view kMistral = "mistral";

Names names_of(const GgufArchitecture& architecture) {
  if (architecture.name == "gpt2") return {kGpt2Outer, "transformer.h.", kGpt2Inner};
  if (architecture.name == "phi3") return {kLlamaOuter, "model.layers.", kPhi3Inner};
  return {kLlamaOuter, "model.layers.", kLlamaInner};
}

/// "self_attn.q_proj.weight" by the table; nothing if its stem is not in it.
std::optional<std::string> translate(std::string_view name, std::span<const Pair> pairs,
                                     std::string_view Pair::*from, std::string_view Pair::*to) {
  const size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const std::string_view stem = name.substr(0, dot);
  const auto found =
      std::ranges::find_if(pairs, [&](const Pair& pair) { return pair.*from == stem; });
  if (found == pairs.end()) return std::nullopt;
  return std::string((*found).*to) + std::string(name.substr(dot));
}

/// The same for names with or without a layer: "blk." and digits give way to the other prefix.
std::optional<std::string> translate(std::string_view name, const Names& names,
                                     std::string_view from_prefix, std::string_view to_prefix,
                                     std::string_view Pair::*from, std::string_view Pair::*to) {
  if (!name.starts_with(from_prefix)) return translate(name, names.outer, from, to);
  const std::string_view rest = name.substr(from_prefix.size());
  const size_t dot = rest.find('.');
  const std::string_view layer = rest.substr(0, dot);
  const auto is_digit = [](unsigned char c) { return std::isdigit(c) != 0; };
  if (dot == std::string_view::npos || layer.empty() || !std::ranges::all_of(layer, is_digit)) {
    return std::nullopt;
  }
  const auto inner = translate(rest.substr(dot + 1), names.inner, from, to);
  if (!inner) return std::nullopt;
  return fmt::format("{}{}.{}", to_prefix, layer, *inner);
}

/// "attn_q" of "blk.3.attn_q.weight"; empty for names outside blocks.
std::string_view part_of(std::string_view gguf_name) {
  if (!gguf_name.starts_with(kBlocks)) return {};
  gguf_name.remove_prefix(kBlocks.size());
  const size_t begin = gguf_name.find('.');
  const size_t end = gguf_name.rfind('.');
  return begin >= end ? std::string_view() : gguf_name.substr(begin + 1, end - begin - 1);
}

}  // namespace

const GgufArchitecture& gguf_architecture(std::string_view name, std::string_view where) {
  std::vector<std::string_view> known;
  for (const GgufArchitecture& architecture : kArchitectures) {
    if (architecture.name == name) return architecture;
    known.push_back(architecture.name);
  }
  throw Error(ErrorCode::unsupported,
              fmt::format("{}: general.architecture is {}, which Heed does not have; it has: {}",
                          where, in_quotes(name), fmt::join(known, ", ")));
}

const GgufArchitecture* gguf_architecture_of(std::string_view model_type) {
  if (model_type == kMistral) model_type = "llama";
  const auto* found = std::ranges::find_if(kArchitectures, [&](const GgufArchitecture& known) {
    return known.model_type == model_type;
  });
  return found == std::end(kArchitectures) ? nullptr : found;
}

std::vector<std::string> gguf_model_types() {
  std::vector<std::string> types{std::string(kMistral)};
  for (const GgufArchitecture& known : kArchitectures) types.emplace_back(known.model_type);
  std::ranges::sort(types);
  return types;
}

std::optional<std::string> hugging_face_name(const GgufArchitecture& architecture,
                                             std::string_view gguf_name) {
  const Names names = names_of(architecture);
  return translate(gguf_name, names, kBlocks, names.layers, &Pair::gguf, &Pair::hugging_face);
}

std::optional<std::string> gguf_name(const GgufArchitecture& architecture,
                                     std::string_view hugging_face_name) {
  const Names names = names_of(architecture);
  std::string name(hugging_face_name);
  if (architecture.name == "gpt2" && !name.starts_with("transformer.") &&
      !name.starts_with("lm_head.")) {
    name.insert(0, "transformer.");
  }
  return translate(name, names, names.layers, kBlocks, &Pair::hugging_face, &Pair::gguf);
}

bool is_input_major(const GgufArchitecture& architecture, std::string_view gguf_name) {
  if (architecture.name != "gpt2" || !gguf_name.ends_with(".weight")) return false;
  const std::string_view part = part_of(gguf_name);
  return part == "attn_qkv" || part == "attn_output" || part == "ffn_up" || part == "ffn_down";
}

std::optional<char> rotated_part(std::string_view gguf_name) {
  const std::string_view part = part_of(gguf_name);
  if (part == "attn_q") return 'q';
  if (part == "attn_k") return 'k';
  return std::nullopt;
}

}  // namespace heed
