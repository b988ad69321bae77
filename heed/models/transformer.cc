#include "heed/models/transformer.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>

#include "heed/models/config.h"
#include "heed/models/real_tokens.h"
#include "heed/nn/attend.h"
#include "heed/nn/checkpoint.h"
#include "heed/tensor/dims.h"

namespace heed {

TransformerConfig TransformerConfig::read(const ConfigReader& file) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  constexpr int64_t kWidest = 1 << 20;
  constexpr int64_t kDeepest = 1 << 12;
  TransformerConfig config;
  config.source_vocab = file.integer("vocab_size", 1, kMost);
  config.target_vocab = file.integer("target_vocab_size", 1, kMost, config.source_vocab);
  config.width = file.integer("d_model", 1, kWidest);
  config.heads = file.integer("nhead", 1, kWidest);
  config.encoder_layers = file.integer("num_encoder_layers", 1, kDeepest);
  config.decoder_layers = file.integer("num_decoder_layers", 1, kDeepest);
  config.feed_forward = file.integer("dim_feedforward", 1, kMost);
  config.positions = file.integer("max_position_embeddings", 1, kWidest, 1024);
  config.activation = activation_from_name(file.text("activation", "relu"));
  config.epsilon = static_cast<float>(file.number("layer_norm_eps", 0, 1, 1e-5));
  config.norm_first = file.boolean("norm_first", false);
  config.final_norm = file.boolean("final_norm", config.norm_first);
  config.bias = file.boolean("bias", true);
  config.shared = file.boolean("share_embeddings", true);
  config.tied = file.boolean("tie_word_embeddings", true);
  if (config.width % config.heads != 0) {
    file.refuse("d_model", fmt::format("a multiple of nhead {}", config.heads));
  }
  if (config.shared && config.target_vocab != config.source_vocab) {
    file.refuse("target_vocab_size",
                fmt::format("vocab_size {}, as share_embeddings is true", config.source_vocab));
  }
  return config;
}

Transformer::Transformer(const TransformerConfig& config, const Params& params)
    : facts_{.architecture = "transformer2017",
             .width = config.width,
             .encoder_layers = config.encoder_layers,
             .decoder_layers = config.decoder_layers,
             .encoder_heads = config.heads,
             .decoder_heads = config.heads,
             .max_tokens = config.positions,
             .source_vocab = config.source_vocab,
             .target_vocab = config.target_vocab,
             .plain_sources = true},
      positions_(sinusoidal_positions(config.positions, config.width)) {
  const Params source = params / (config.shared ? "embeddings" : "source_embeddings");
  const Params target = params / (config.shared ? "embeddings" : "target_embeddings");
  source_words_ = Embedding(source, config.source_vocab, config.width);
  target_words_ = Embedding(target, config.target_vocab, config.width);
  const TransformerLayerConfig sizes{.width = config.width,
                                     .heads = config.heads,
                                     .feed_forward = config.feed_forward,
                                     .activation = config.activation,
                                     .epsilon = config.epsilon,
                                     .norm_first = config.norm_first,
                                     .bias = config.bias};
  const Params encoder = params / "transformer" / "encoder";
  const Params decoder = params / "transformer" / "decoder";
  for (int64_t i = 0; i < config.encoder_layers; ++i) {
    encoder_.emplace_back(encoder / "layers" / i, sizes);
  }
  for (int64_t i = 0; i < config.decoder_layers; ++i) {
    decoder_.emplace_back(decoder / "layers" / i, sizes);
  }
  if (config.final_norm) {
    encoder_norm_.emplace(encoder / "norm", config.width, config.epsilon, config.bias);
    decoder_norm_.emplace(decoder / "norm", config.width, config.epsilon, config.bias);
  }
  const LinearWeights output =
      config.tied ? target_words_.weights()
                  : LinearWeights(params / "output", config.width, config.target_vocab,
                                  /*with_bias=*/false);
  output_weight_ = output.weight;
  output_ = Linear(output);
  trained_ = params.trained();
  (params / "transformer").release();
}

/// "3.4: we multiply those weights by sqrt(d_model)"; 3.5: positions are added; 5.4: of the sums
/// some are dropped. ids [B, T] -> [B, T, C].
Tensor Transformer::embed(const Embedding& words, const Tensor& ids, const Run& run) const {
  const Tensor x = scale(words(ids), std::sqrt(static_cast<float>(facts_.width)));
  return run.drop(x + positions_(ids.size(1), run.first_positions()));
}

Memory Transformer::encode(const EncoderInput& source, const Run& run) const {
  Dims dims("transformer");
  dims.bind("source ids", source.ids, "B S", DType::i32);
  Tensor x = embed(source_words_, source.ids, run);  // [B, S, C]
  x = through_real_tokens("transformer", x, source.lengths, run.needs_whole_batch() || trained_,
                          [&](const Tensor& tokens, const Mask& mask) {
                            return through_blocks(encoder_, tokens, run, mask);
                          });
  if (encoder_norm_) x = (*encoder_norm_)(x);
  run.reached(facts_.encoder_layers, x);
  return {.states = x, .lengths = source.lengths};
}

Tensor Transformer::decode(const Tensor& ids, const Memory& memory, const Run& run) const {
  Dims dims("transformer");
  dims.bind("memory", memory.states, "B S C").bind("target ids", ids, "B T", DType::i32);
  const Mask causal = causal_mask(run);
  const Mask padding = padding_mask("transformer", memory.lengths, dims['B'], dims['S']);
  Tensor x = embed(target_words_, ids, run);  // [B, T, C]
  x = through_blocks(decoder_, x, run, memory.states, causal, padding);
  if (decoder_norm_) x = (*decoder_norm_)(x);
  run.reached(facts_.decoder_layers, x);
  return x;
}

}  // namespace heed
