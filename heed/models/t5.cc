#include "heed/models/t5.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "heed/models/config.h"
#include "heed/models/real_tokens.h"
#include "heed/nn/attend.h"
#include "heed/nn/checkpoint.h"
#include "heed/tensor/dims.h"

namespace heed {
namespace {

constexpr int64_t kMostTokens = 1 << 24;  // what a bias by distance goes to

/// heads * head_dim need not be the width. T5's initialisation has the factor on q.k in it.
MultiHeadAttention attention_of(const Params& params, const T5Config& config,
                                AttentionInputs inputs,
                                const std::optional<RelativeBuckets>& relative) {
  const int64_t inner = config.heads * config.head_dim;
  AttentionWeights weights;
  weights.query = {params / "q", config.width, inner, /*with_bias=*/false};
  weights.key = {params / "k", config.width, inner, /*with_bias=*/false};
  weights.value = {params / "v", config.width, inner, /*with_bias=*/false};
  weights.output = {params / "o", inner, config.width, /*with_bias=*/false};
  return {weights, config.heads, inputs, /*scale=*/1.0F, relative};
}

RelativeBuckets buckets_of(const Params& stack, const T5Config& config, bool bidirectional) {
  const Params bias = stack / "block" / 0 / "layer" / 0 / "SelfAttention";
  return {.table = (bias / "relative_attention_bias")
                       .tensor("weight", {config.buckets, config.heads})
                       .to(DType::f32),
          .bidirectional = bidirectional,
          .max_distance = config.max_distance};
}

RmsNorm norm_of(const Params& params, const T5Config& config) {
  return {params / "layer_norm", config.width, config.epsilon};
}

/// As padding_mask(), but lengths would move a shorter row's queries to its end, and distances are
/// counted from where they stand.
Mask real_keys(const std::vector<int64_t>& lengths, int64_t batch, int64_t tokens) {
  if (padding_mask("t5", lengths, batch, tokens).empty()) return {};
  const Tensor visible = Tensor::zeros({batch, 1, 1, tokens}, DType::boolean);
  for (int64_t b = 0; b < batch; ++b) {
    std::fill_n(visible.data<bool>() + b * tokens, lengths[static_cast<size_t>(b)], true);
  }
  return Mask::boolean(visible);
}

}  // namespace

T5Config T5Config::read(const ConfigReader& file) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  constexpr int64_t kWidest = 1 << 20;
  constexpr int64_t kDeepest = 1 << 12;
  T5Config config;
  config.vocab = file.integer("vocab_size", 1, kMost);
  config.width = file.integer("d_model", 1, kWidest);
  config.head_dim = file.integer("d_kv", 1, kWidest);
  config.heads = file.integer("num_heads", 1, kWidest);
  config.encoder_layers = file.integer("num_layers", 1, kDeepest);
  config.decoder_layers = file.integer("num_decoder_layers", 1, kDeepest, config.encoder_layers);
  config.feed_forward = file.integer("d_ff", 1, kMost);
  config.buckets = file.integer("relative_attention_num_buckets", 4, kWidest, 32);
  config.max_distance = file.integer("relative_attention_max_distance", 2, kMost, 128);
  if (config.max_distance <= config.buckets / 2) {  // the decoder's, which has more of them
    file.refuse("relative_attention_max_distance",
                fmt::format("above {}, half of the buckets", config.buckets / 2));
  }
  config.epsilon = static_cast<float>(file.number("layer_norm_epsilon", 0, 1, 1e-6));
  const bool multilingual = file.text("model_type", "t5") == "mt5";
  std::string inner = file.text("feed_forward_proj", multilingual ? "gated-gelu" : "relu");
  config.gated = inner.starts_with("gated-");
  if (config.gated) inner.erase(0, std::string_view("gated-").size());
  config.activation = config.gated && inner == "gelu" ? Activation::gelu_tanh  // transformers' too
                                                      : activation_from_name(inner);
  config.scaled = !multilingual &&
                  file.boolean("scale_decoder_outputs", file.boolean("tie_word_embeddings", true));
  return config;
}

T5FeedForward::T5FeedForward(const Params& params, const T5Config& config) {
  const int64_t width = config.width, inner = config.feed_forward;
  const auto product = [&](const char* name, int64_t inputs, int64_t outputs) {
    return LinearWeights(params / name, inputs, outputs, /*with_bias=*/false);
  };
  if (config.gated) {
    gated_.emplace(std::vector{product("wi_0", width, inner), product("wi_1", width, inner)},
                   product("wo", inner, width), config.activation);
  } else {
    plain_ = FeedForward(Linear(product("wi", width, inner)), Linear(product("wo", inner, width)),
                         config.activation);
  }
}

T5EncoderBlock::T5EncoderBlock(const Params& params, const T5Config& config,
                               const RelativeBuckets& relative)
    : attention_norm(norm_of(params / "layer" / 0, config)),
      attend(attention_of(params / "layer" / 0 / "SelfAttention", config, AttentionInputs::self,
                          relative)),
      feed_forward_norm(norm_of(params / "layer" / 1, config)),
      feed_forward(params / "layer" / 1 / "DenseReluDense", config) {
  params.release();
}

Tensor T5EncoderBlock::operator()(Tensor x, const Mask& mask, const Run& run) const {
  x = x + run.drop(attend(attention_norm(x), mask, run));        // mixes tokens
  return x + run.drop(feed_forward(feed_forward_norm(x), run));  // one token at a time
}

T5DecoderBlock::T5DecoderBlock(const Params& params, const T5Config& config,
                               const RelativeBuckets& relative)
    : attention_norm(norm_of(params / "layer" / 0, config)),
      attend(attention_of(params / "layer" / 0 / "SelfAttention", config, AttentionInputs::self,
                          relative)),
      memory_norm(norm_of(params / "layer" / 1, config)),
      attend_memory(attention_of(params / "layer" / 1 / "EncDecAttention", config,
                                 AttentionInputs::memory, std::nullopt)),
      feed_forward_norm(norm_of(params / "layer" / 2, config)),
      feed_forward(params / "layer" / 2 / "DenseReluDense", config) {
  params.release();
}

Tensor T5DecoderBlock::operator()(Tensor x, const Tensor& memory, const Mask& mask,
                                  const Mask& memory_mask, const Run& run) const {
  x = x + run.drop(attend(attention_norm(x), mask, run));
  x = x + run.drop(attend_memory(memory_norm(x), memory, memory_mask, run));
  return x + run.drop(feed_forward(feed_forward_norm(x), run));
}

T5::T5(const T5Config& config, const Params& params)
    : facts_{.architecture = "t5",
             .width = config.width,
             .encoder_layers = config.encoder_layers,
             .decoder_layers = config.decoder_layers,
             .encoder_heads = config.heads,
             .decoder_heads = config.heads,
             .max_tokens = kMostTokens,
             .any_length = true,
             .source_vocab = config.vocab,
             .target_vocab = config.vocab},
      words_(params / "shared", config.vocab, config.width),
      output_scale_(config.scaled ? 1 / std::sqrt(static_cast<float>(config.width)) : 1) {
  const Params encoder = params / "encoder", decoder = params / "decoder";
  const RelativeBuckets both_ways = buckets_of(encoder, config, /*bidirectional=*/true);
  for (int64_t i = 0; i < config.encoder_layers; ++i) {
    encoder_.emplace_back(encoder / "block" / i, config, both_ways);
  }
  const RelativeBuckets backwards = buckets_of(decoder, config, /*bidirectional=*/false);
  for (int64_t i = 0; i < config.decoder_layers; ++i) {
    decoder_.emplace_back(decoder / "block" / i, config, backwards);
  }
  encoder_norm_ = RmsNorm(encoder / "final_layer_norm", config.width, config.epsilon);
  decoder_norm_ = RmsNorm(decoder / "final_layer_norm", config.width, config.epsilon);
  const Params head = params / "lm_head";
  const LinearWeights output =
      head.contains("weight") ? LinearWeights(head, config.width, config.vocab, /*with_bias=*/false)
                              : words_.weights();
  output_weight_ = output.weight;
  output_ = Linear(output);
  trained_ = params.trained();
}

Memory T5::encode(const EncoderInput& source, const Run& run) const {
  Dims dims("t5");
  dims.bind("source ids", source.ids, "B S", DType::i32);
  Tensor x = run.drop(words_(source.ids));  // [B, S, C]
  if (run.needs_whole_batch() || trained_) {
    x = through_blocks(encoder_, x, run, real_keys(source.lengths, dims['B'], dims['S']));
  } else {
    x = through_real_tokens("t5", x, source.lengths, /*whole=*/false,
                            [&](const Tensor& tokens, const Mask& mask) {
                              return through_blocks(encoder_, tokens, run, mask);
                            });
  }
  x = encoder_norm_(x);
  run.reached(facts_.encoder_layers, x);
  return {.states = run.drop(x), .lengths = source.lengths};
}

Tensor T5::final_norm(const Tensor& states) const {
  return scale(decoder_norm_(states), output_scale_);
}

Tensor T5::decode(const Tensor& ids, const Memory& memory, const Run& run) const {
  Dims dims("t5");
  dims.bind("memory", memory.states, "B S C").bind("target ids", ids, "B T", DType::i32);
  const Mask causal = causal_mask(run);
  const Mask padding = padding_mask("t5", memory.lengths, dims['B'], dims['S']);
  Tensor x = run.drop(words_(ids));  // [B, T, C]
  x = through_blocks(decoder_, x, run, memory.states, causal, padding);
  x = decoder_norm_(x);
  run.reached(facts_.decoder_layers, x);
  return scale(run.drop(x), output_scale_);
}

}  // namespace heed
