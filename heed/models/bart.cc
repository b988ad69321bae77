#include "heed/models/bart.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "heed/models/config.h"
#include "heed/models/real_tokens.h"
#include "heed/nn/attend.h"
#include "heed/nn/checkpoint.h"
#include "heed/tensor/dims.h"

namespace heed {
namespace {

constexpr float kEpsilon = 1e-5F;  // nn.LayerNorm's own; no config.json says another
constexpr int64_t kUnusedRows = 2;

MultiHeadAttention attention_of(const Params& params, int64_t width, int64_t heads,
                                AttentionInputs inputs) {
  AttentionWeights weights;
  weights.query = LinearWeights(params / "q_proj", width, width);
  weights.key = LinearWeights(params / "k_proj", width, width);
  weights.value = LinearWeights(params / "v_proj", width, width);
  weights.output = LinearWeights(params / "out_proj", width, width);
  return {weights, heads, inputs};
}

FeedForward feed_forward_of(const Params& layer, int64_t width, int64_t inner,
                            Activation activation) {
  return {Linear(layer / "fc1", width, inner), Linear(layer / "fc2", inner, width), activation};
}

EncoderLayer encoder_layer(const Params& params, const BartConfig& config) {
  const int64_t width = config.width;
  EncoderLayer layer({.norm_first = config.norm_first,
                      .attend = attention_of(params / "self_attn", width, config.encoder_heads,
                                             AttentionInputs::self),
                      .feed_forward = feed_forward_of(params, width, config.encoder_feed_forward,
                                                      config.activation),
                      .attention_norm = {params / "self_attn_layer_norm", width, kEpsilon},
                      .feed_forward_norm = {params / "final_layer_norm", width, kEpsilon}});
  params.release();
  return layer;
}

DecoderLayer decoder_layer(const Params& params, const BartConfig& config) {
  const int64_t width = config.width, heads = config.decoder_heads;
  DecoderLayer layer(
      {.norm_first = config.norm_first,
       .attend = attention_of(params / "self_attn", width, heads, AttentionInputs::self),
       .attend_memory =
           attention_of(params / "encoder_attn", width, heads, AttentionInputs::memory),
       .feed_forward =
           feed_forward_of(params, width, config.decoder_feed_forward, config.activation),
       .attention_norm = {params / "self_attn_layer_norm", width, kEpsilon},
       .memory_norm = {params / "encoder_attn_layer_norm", width, kEpsilon},
       .feed_forward_norm = {params / "final_layer_norm", width, kEpsilon}});
  params.release();
  return layer;
}

/// Where a stack's words are: files leave out tables that are shared. Nothing is tied where the
/// output is not, and the table that is called shared may then be nobody's.
Params words_of(const Params& model, const char* stack, const BartConfig& config) {
  const Params shared = model / "shared", own = model / stack / "embed_tokens";
  if (!config.shared || (!config.tied && own.contains("weight"))) return own;
  for (const Params& place : {shared, own, model / "encoder" / "embed_tokens"}) {
    if (place.contains("weight")) return place;
  }
  return shared;
}

}  // namespace

BartConfig BartConfig::read(const ConfigReader& file) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  constexpr int64_t kWidest = 1 << 20;
  constexpr int64_t kDeepest = 1 << 12;
  BartConfig config;
  config.source_vocab = file.integer("vocab_size", 1, kMost);
  config.padding = file.padding(1, config.source_vocab);
  config.target_vocab = config.source_vocab;
  config.width = file.integer("d_model", 1, kWidest);
  config.encoder_layers = file.integer("encoder_layers", 1, kDeepest);
  config.decoder_layers = file.integer("decoder_layers", 1, kDeepest);
  config.encoder_heads = file.integer("encoder_attention_heads", 1, kWidest);
  config.decoder_heads = file.integer("decoder_attention_heads", 1, kWidest);
  config.encoder_feed_forward = file.integer("encoder_ffn_dim", 1, kMost);
  config.decoder_feed_forward = file.integer("decoder_ffn_dim", 1, kMost);
  config.positions = file.integer("max_position_embeddings", 1, kMost, 1024);
  config.activation = activation_from_name(file.text("activation_function", "gelu"));
  config.scaled = file.boolean("scale_embedding", false);
  config.tied = file.boolean("tie_word_embeddings", true);
  for (const auto& [field, heads] : {std::pair("encoder_attention_heads", config.encoder_heads),
                                     std::pair("decoder_attention_heads", config.decoder_heads)}) {
    if (config.width % heads != 0) {
      file.refuse(field, fmt::format("a divisor of d_model {}", config.width));
    }
  }
  return config;
}

/// As the checkpoint has it (of one in bf16 rounded), else computed; never trained.
static Positions sinusoids_of(const Params& stack, const BartConfig& config) {
  const Tensor stored =
      (stack / "embed_positions").maybe("weight", {config.positions, config.width});
  return Positions(
      stored ? stored.detach()
             : sinusoidal_positions(config.positions, config.width, SinusoidOrder::halves));
}

Bart::Embeddings Bart::embeddings_of(const Params& stack, const Params& words, int64_t vocab,
                                     const BartConfig& config) {
  Embeddings embeddings{
      .words = Embedding(words, vocab, config.width, config.padding), .positions = {}, .norm = {}};
  embeddings.positions = config.sinusoids
                             ? sinusoids_of(stack, config)
                             : LearnedPositions(stack / "embed_positions", config.positions,
                                                config.width, kUnusedRows);
  if (config.embedding_norm) {
    embeddings.norm.emplace(stack / "layernorm_embedding", config.width, kEpsilon);
  }
  return embeddings;
}

Bart::Bart(const BartConfig& config, const Params& all)
    : facts_{.architecture = config.architecture,
             .width = config.width,
             .encoder_layers = config.encoder_layers,
             .decoder_layers = config.decoder_layers,
             .encoder_heads = config.encoder_heads,
             .decoder_heads = config.decoder_heads,
             .max_tokens = config.positions,
             .source_vocab = config.source_vocab,
             .target_vocab = config.target_vocab},
      word_scale_(config.scaled ? std::sqrt(static_cast<float>(config.width)) : 1) {
  const bool bare = all.contains("encoder.layers.0.fc1.weight");
  const Params model = bare ? all : all / "model";
  const Params encoder = model / "encoder", decoder = model / "decoder";
  source_ = embeddings_of(encoder, words_of(model, "encoder", config), config.source_vocab, config);
  target_ = embeddings_of(decoder, words_of(model, "decoder", config), config.target_vocab, config);
  for (int64_t i = 0; i < config.encoder_layers; ++i) {
    encoder_.push_back(encoder_layer(encoder / "layers" / i, config));
  }
  for (int64_t i = 0; i < config.decoder_layers; ++i) {
    decoder_.push_back(decoder_layer(decoder / "layers" / i, config));
  }
  if (config.final_norm) {
    encoder_norm_.emplace(encoder / "layer_norm", config.width, kEpsilon);
    decoder_norm_.emplace(decoder / "layer_norm", config.width, kEpsilon);
  }
  LinearWeights output = config.tied ? target_.words.weights()
                                     : LinearWeights(all / "lm_head", config.width,
                                                     config.target_vocab, /*with_bias=*/false);
  if (const Tensor bias = all.maybe("final_logits_bias", {1, config.target_vocab})) {
    output.bias = bias.detach().reshape({config.target_vocab});  // a buffer: not trained
  }
  output_weight_ = output.weight;
  output_bias_ = output.bias;
  output_ = Linear(output);
  trained_ = all.trained();
}

/// ids [B, T] -> [B, T, C].
Tensor Bart::embed(const Embeddings& embeddings, const Tensor& ids, const Run& run) const {
  const Tensor words = scale(embeddings.words(ids), word_scale_);
  const Sum x = words + embeddings.positions(ids.size(1), run.first_positions());
  return run.drop(embeddings.norm ? (*embeddings.norm)(x) : Tensor(x));
}

Memory Bart::encode(const EncoderInput& source, const Run& run) const {
  Dims dims(facts_.architecture);
  dims.bind("source ids", source.ids, "B S", DType::i32);
  Tensor x = embed(source_, source.ids, run);  // [B, S, C]
  x = through_real_tokens(facts_.architecture, x, source.lengths,
                          run.needs_whole_batch() || trained_,
                          [&](const Tensor& tokens, const Mask& mask) {
                            return through_blocks(encoder_, tokens, run, mask);
                          });
  if (encoder_norm_) x = (*encoder_norm_)(x);
  run.reached(facts_.encoder_layers, x);
  return {.states = x, .lengths = source.lengths};
}

Tensor Bart::decode(const Tensor& ids, const Memory& memory, const Run& run) const {
  Dims dims(facts_.architecture);
  dims.bind("memory", memory.states, "B S C").bind("target ids", ids, "B T", DType::i32);
  const Mask causal = causal_mask(run);
  const Mask padding = padding_mask(facts_.architecture, memory.lengths, dims['B'], dims['S']);
  Tensor x = embed(target_, ids, run);  // [B, T, C]
  x = through_blocks(decoder_, x, run, memory.states, causal, padding);
  if (decoder_norm_) x = (*decoder_norm_)(x);
  run.reached(facts_.decoder_layers, x);
  return x;
}

}  // namespace heed
