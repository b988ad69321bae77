#include "heed/models/gpt2.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "heed/base/error.h"
#include "heed/models/config.h"
#include "heed/nn/attend.h"
#include "heed/nn/checkpoint.h"
#include "heed/nn/make_layers.h"
#include "heed/tensor/dims.h"

namespace heed {
namespace {

/// GPT-2 keeps a product's matrix as [K, N], the other way round than nn.Linear; in blocks it is
/// [N, K], as GGUF files have it.
LinearWeights conv1d(const Params& params, int64_t inputs, int64_t outputs) {
  const Tensor bias = params.tensor("bias", {outputs});
  if (auto blocks = params.blocks("weight", outputs, inputs)) return {std::move(*blocks), bias};
  return {params.tensor("weight", {inputs, outputs}).transpose(0, 1), bias, params.in_place()};
}

AttentionWeights attention_weights(const Params& params, int64_t width) {
  const auto qkv = conv1d(params / "c_attn", width, 3 * width).split(3);
  AttentionWeights weights;
  weights.query = qkv[0];
  weights.key = qkv[1];
  weights.value = qkv[2];
  weights.output = conv1d(params / "c_proj", width, width);
  return weights;
}

float attention_scale(const Gpt2Config& config, int64_t layer) {
  const int64_t head_dim = config.width / config.heads;
  const float by_size = config.scale_by_size ? 1 / std::sqrt(static_cast<float>(head_dim)) : 1;
  return config.scale_by_layer ? by_size / static_cast<float>(layer + 1) : by_size;
}

}  // namespace

Gpt2Config Gpt2Config::read(const ConfigReader& file) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  constexpr int64_t kWidest = 1 << 20;
  if (file.boolean("add_cross_attention", false)) {
    throw Error(ErrorCode::unsupported,
                file.where() + ": a GPT-2 with cross-attention is not supported");
  }
  Gpt2Config config;
  config.vocab = file.integer("vocab_size", 1, kMost);
  config.width = file.integer("n_embd", 1, kWidest);
  config.layers = file.integer("n_layer", 1, 1 << 12);
  config.heads = file.integer("n_head", 1, kWidest);
  config.feed_forward = file.integer("n_inner", 1, kMost, 4 * config.width);
  config.positions = file.integer("n_positions", 1, kMost);
  config.activation = activation_from_name(file.text("activation_function", "gelu_new"));
  config.epsilon = static_cast<float>(file.number("layer_norm_epsilon", 0, 1, 1e-5));
  config.scale_by_size = file.boolean("scale_attn_weights", true);
  config.scale_by_layer = file.boolean("scale_attn_by_inverse_layer_idx", false);
  config.tied = file.boolean("tie_word_embeddings", true);
  if (config.width % config.heads != 0) {
    file.refuse("n_embd", fmt::format("a multiple of n_head {}", config.heads));
  }
  return config;
}

Gpt2Block::Gpt2Block(const Params& params, const Gpt2Config& config, int64_t layer)
    : attention_norm(params / "ln_1", config.width, config.epsilon),
      attend(attention_weights(params / "attn", config.width), config.heads, AttentionInputs::self,
             attention_scale(config, layer)),
      feed_forward_norm(params / "ln_2", config.width, config.epsilon),
      feed_forward(Linear(conv1d(params / "mlp" / "c_fc", config.width, config.feed_forward)),
                   Linear(conv1d(params / "mlp" / "c_proj", config.feed_forward, config.width)),
                   config.activation) {
  params.release();
}

Tensor Gpt2Block::operator()(Tensor x, const Mask& mask, const Run& run) const {  // x [B, T, C]
  x = x + run.drop(attend(attention_norm(x), mask, run));                         // mixes tokens
  return x + run.drop(feed_forward(feed_forward_norm(x)));  // one token at a time
}

Gpt2::Gpt2(const Gpt2Config& config, const Params& all)
    : facts_{"gpt2", config.width, config.layers, config.heads, config.positions, config.vocab, 0} {
  const Params params = all.contains("wte.weight") ? all : all / "transformer";
  words_ = Embedding(params / "wte", config.vocab, config.width);
  positions_ = LearnedPositions(params / "wpe", config.positions, config.width);
  blocks_.resize(static_cast<size_t>(config.layers));
  make_layers(params, config.layers, [&](int64_t i) {
    blocks_[static_cast<size_t>(i)] = Gpt2Block(params / "h" / i, config, i);
  });
  final_norm_ = LayerNorm(params / "ln_f", config.width, config.epsilon);
  const LinearWeights output =
      config.tied ? words_.weights()
                  : LinearWeights(all / "lm_head", config.width, config.vocab, /*with_bias=*/false);
  output_weight_ = output.weight;
  output_ = Linear(output);
}

Tensor Gpt2::operator()(const EncoderInput& input, const Run& run) const {
  const Tensor& ids = input.ids;  // [B, T]
  Dims("gpt2").bind("ids", ids, "B T", DType::i32);
  const Mask mask = causal_mask(run);
  const Tensor positions = positions_(ids.size(1), run.first_positions());
  Tensor x = run.drop(words_(ids) + positions);  // [B, T, C]
  x = through_blocks(blocks_, x, run, mask);
  x = final_norm_(x);
  run.reached(facts_.layers, x);
  return x;
}

}  // namespace heed
