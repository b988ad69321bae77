#include "heed/models/decoder.h"

#include <fmt/format.h>

#include <algorithm>

#include "heed/base/error.h"
#include "heed/nn/checkpoint.h"
#include "heed/nn/make_layers.h"
#include "heed/tensor/dims.h"

namespace heed {
namespace {

RotaryAttention attention_of(const Params& params, const DecoderConfig& config) {
  const int64_t width = config.width, size = config.head_dim;
  const int64_t queries = config.heads * size, keys = config.kv_heads * size;
  const bool bias = config.query_bias;
  RotaryAttention::Weights weights;
  if (config.fused) {
    weights.projections = {{params / "qkv_proj", width, queries + 2 * keys, bias}};
  } else {
    weights.projections = {{params / "q_proj", width, queries, bias},
                           {params / "k_proj", width, keys, bias},
                           {params / "v_proj", width, keys, bias}};
  }
  weights.output = {params / "o_proj", queries, width, config.output_bias};
  if (config.head_norms) {
    weights.query_norm = RmsNorm(params / "q_norm", size, config.epsilon);
    weights.key_norm = RmsNorm(params / "k_norm", size, config.epsilon);
  }
  return {weights, {config.heads, config.kv_heads, size, config.pairs}};
}

GatedFeedForward feed_forward_of(const Params& params, const DecoderConfig& config) {
  const int64_t width = config.width, inner = config.feed_forward;
  const bool bias = config.feed_forward_bias;
  std::vector<LinearWeights> gate_and_up;
  if (config.fused) {
    gate_and_up = {{params / "gate_up_proj", width, 2 * inner, bias}};
  } else {
    gate_and_up = {{params / "gate_proj", width, inner, bias},
                   {params / "up_proj", width, inner, bias}};
  }
  return {gate_and_up, {params / "down_proj", inner, width, bias}, config.activation};
}

GatedDecoderLayer layer_of(const Params& params, const DecoderConfig& config) {
  GatedDecoderLayer layer{
      RmsNorm(params / "input_layernorm", config.width, config.epsilon),
      attention_of(params / "self_attn", config),
      RmsNorm(params / "post_attention_layernorm", config.width, config.epsilon),
      feed_forward_of(params / "mlp", config)};
  params.release();
  return layer;
}

}  // namespace

Decoder::Decoder(const DecoderConfig& config, const Params& all)
    : facts_{.architecture = config.architecture,
             .width = config.width,
             .layers = config.layers,
             .heads = config.heads,
             .max_tokens = config.positions,
             .vocab = config.vocab},
      angles_(config.rotary_dim, config.rotary_base, config.scaling),
      window_(config.window),
      windowed_(config.windowed) {
  const Params params = all.contains("norm.weight") ? all : all / "model";
  words_ = Embedding(params / "embed_tokens", config.vocab, config.width, config.padding);
  layers_.resize(static_cast<size_t>(config.layers));
  windowed_.resize(layers_.size());
  make_layers(params, config.layers, [&](int64_t i) {
    layers_[static_cast<size_t>(i)] = layer_of(params / "layers" / i, config);
  });
  final_norm_ = RmsNorm(params / "norm", config.width, config.epsilon);
  const LinearWeights output =
      config.tied ? words_.weights()
                  : LinearWeights(all / "lm_head", config.width, config.vocab, /*with_bias=*/false);
  output_weight_ = output.weight;
  output_ = Linear(output);
}

void Decoder::check_length(const std::vector<int64_t>& first, int64_t tokens) const {
  const int64_t longest = std::ranges::max(first) + tokens;
  if (longest <= facts_.max_tokens) return;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("{}: a text of {} tokens is longer than the model's {} positions; cut it",
                          facts_.architecture, longest, facts_.max_tokens));
}

int64_t Decoder::memory_tokens() const {
  return std::ranges::find(windowed_, false) == windowed_.end() ? window_ : 0;
}

Tensor Decoder::operator()(const EncoderInput& input, const Run& run) const {
  const Tensor& ids = input.ids;  // [B, T]
  Dims(facts_.architecture).bind("ids", ids, "B T", DType::i32);
  const std::vector<int64_t> first = run.first_positions();
  check_length(first, ids.size(1));
  const RotaryTable angles = angles_(first, ids.size(1));
  const Mask all = causal_mask(run);
  const Mask near = window_ > 0 ? all & Mask::window(window_ - 1, 0) : all;
  Tensor x = run.drop(words_(ids));  // [B, T, C]
  for (size_t i = 0; i < layers_.size(); ++i) {
    const auto layer = static_cast<int64_t>(i);
    run.reached(layer, x);
    x = through_block(layers_[i], x, angles, windowed_[i] ? near : all, run.at(layer));
  }
  x = final_norm_(x);
  run.reached(facts_.layers, x);
  return x;
}

}  // namespace heed
