#include "heed/models/bert.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "heed/base/error.h"
#include "heed/base/log.h"
#include "heed/base/parallel.h"
#include "heed/models/config.h"
#include "heed/nn/checkpoint.h"
#include "heed/tensor/dims.h"

namespace heed {
namespace {

AttentionWeights attention_weights(const Params& params, int64_t width) {
  AttentionWeights weights;
  weights.query = LinearWeights(params / "self" / "query", width, width);
  weights.key = LinearWeights(params / "self" / "key", width, width);
  weights.value = LinearWeights(params / "self" / "value", width, width);
  weights.output = LinearWeights(params / "output" / "dense", width, width);
  return weights;
}

std::vector<int64_t> lengths_of(const EncoderInput& input, int64_t first, int64_t texts) {
  if (input.lengths.empty()) return {};
  return {input.lengths.begin() + first, input.lengths.begin() + first + texts};
}

/// Texts that go through all blocks before the next ones start, in even parts of the batch: as few
/// as keep the threads busy, so that a layer finds in the cache what the one before it left (4 to
/// 5 % at 32 x 128, 3 % at 8 x 512).
int64_t texts_together(int64_t batch, int64_t tokens) {
  constexpr int64_t kTokensPerThread = 512;
  const int64_t most =
      std::max<int64_t>(1, kTokensPerThread * num_threads() / std::max<int64_t>(1, tokens));
  const int64_t parts = (batch + most - 1) / most;
  return parts <= 1 ? batch : (batch + parts - 1) / parts;
}

}  // namespace

BertConfig BertConfig::read(const ConfigReader& file) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  constexpr int64_t kWidest = 1 << 20;
  const auto refuse = [&](std::string_view what) {
    throw Error(ErrorCode::unsupported, fmt::format("{}: {}", file.where(), what));
  };
  const std::string positions = file.text("position_embedding_type", "absolute");
  if (positions != "absolute") {
    refuse(fmt::format("position_embedding_type must be \"absolute\" but is \"{}\"", positions));
  }
  if (file.boolean("is_decoder", false) || file.boolean("add_cross_attention", false)) {
    refuse("a BERT that is used as a decoder is not supported");
  }
  BertConfig config;
  config.vocab = file.integer("vocab_size", 1, kMost);
  config.width = file.integer("hidden_size", 1, kWidest);
  config.layers = file.integer("num_hidden_layers", 1, 1 << 12);
  config.heads = file.integer("num_attention_heads", 1, kWidest);
  config.feed_forward = file.integer("intermediate_size", 1, kMost);
  config.positions = file.integer("max_position_embeddings", 1, kMost);
  config.types = file.integer("type_vocab_size", 1, kMost, 2);
  config.activation = activation_from_name(file.text("hidden_act", "gelu"));
  config.epsilon = static_cast<float>(file.number("layer_norm_eps", 0, 1, 1e-12));
  if (config.width % config.heads != 0) {
    file.refuse("hidden_size", fmt::format("a multiple of num_attention_heads {}", config.heads));
  }
  return config;
}

BertBlock::BertBlock(const Params& params, const BertConfig& config)
    : attend(attention_weights(params / "attention", config.width), config.heads),
      attention_norm(params / "attention" / "output" / "LayerNorm", config.width, config.epsilon),
      feed_forward(Linear(params / "intermediate" / "dense", config.width, config.feed_forward),
                   Linear(params / "output" / "dense", config.feed_forward, config.width),
                   config.activation),
      feed_forward_norm(params / "output" / "LayerNorm", config.width, config.epsilon) {
  params.release();
}

Tensor BertBlock::operator()(Tensor x, const Mask& mask, const Run& run) const {  // x [B, T, C]
  x = attention_norm(x + run.drop(attend(x, mask, run)));                         // mixes tokens
  return feed_forward_norm(x + run.drop(feed_forward(x)));  // one token at a time
}

Bert::Bert(const BertConfig& config, const Params& all)
    : facts_{"bert",           config.width, config.layers, config.heads,
             config.positions, config.vocab, config.types} {
  const Params params = all.contains("embeddings.word_embeddings.weight") ? all : all / "bert";
  const Params embeddings = params / "embeddings";
  words_ = Embedding(embeddings / "word_embeddings", config.vocab, config.width);
  positions_ = LearnedPositions(embeddings / "position_embeddings", config.positions, config.width);
  types_ = Embedding(embeddings / "token_type_embeddings", config.types, config.width);
  embedding_norm_ = LayerNorm(embeddings / "LayerNorm", config.width, config.epsilon);
  blocks_.resize(static_cast<size_t>(config.layers));
  const Params layers = params / "encoder" / "layer";
  parallel_for(config.layers, [&](int64_t i, int) {
    blocks_[static_cast<size_t>(i)] = BertBlock(layers / i, config);
  });
  has_pooler_ = params.contains("pooler.dense.weight");
  if (has_pooler_) pooler_ = Linear(params / "pooler" / "dense", config.width, config.width);
  trained_ = params.trained();
  if (const auto left = (params / "encoder").unused(); !left.empty()) {
    log(LogLevel::warning, fmt::format("bert: {} weights of the encoder are not used, {} first; "
                                       "config.json may not belong to them",
                                       left.size(), left.front()));
  }
}

Tensor Bert::embed(const EncoderInput& input, const Run& run) const {
  const Tensor types = input.type_ids ? types_(input.type_ids)                   // [B, T, C]
                                      : types_(Tensor::zeros({1}, DType::i32));  // [1, C]
  const Tensor x = words_(input.ids) + types;                                    // [B, T, C]
  return run.drop(embedding_norm_(x + positions_(x.size(1))));
}

Tensor Bert::blocks(Tensor x, const Mask& mask, const Run& run) const {
  run.reached(0, x);
  for (int64_t i = 0; i < facts_.layers; ++i) {
    x = through_block(blocks_[static_cast<size_t>(i)], x, mask, run.at(i));
    run.reached(i + 1, x);
  }
  return x;
}

Tensor Bert::operator()(const EncoderInput& input, const Run& run) const {
  Dims dims("bert");
  dims.bind("ids", input.ids, "B T", DType::i32);
  if (input.type_ids) dims.bind("type_ids", input.type_ids, "B T", DType::i32);
  if (dims['T'] > facts_.max_tokens) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("bert: a text of {} tokens is longer than the model's {} positions; "
                            "cut it",
                            dims['T'], facts_.max_tokens));
  }
  const Mask mask = padding_mask("bert", input.lengths, dims['B'], dims['T']);
  const Tensor x = embed(input, run);  // [B, T, C]
  const int64_t together = texts_together(dims['B'], dims['T']);
  const bool whole = run.observer != nullptr || trained_;  // gradients are recorded of one run
  if (whole || dims['B'] <= together) return blocks(x, mask, run);
  for (int64_t first = 0; first < dims['B']; first += together) {
    const int64_t texts = std::min(together, dims['B'] - first);
    const Tensor part = x.slice(0, first, first + texts);  // [texts, T, C]
    const Tensor y =
        blocks(part, padding_mask("bert", lengths_of(input, first, texts), texts, dims['T']), run);
    std::ranges::copy(y.span<float>(), part.data<float>());
  }
  return x;
}

Tensor Bert::pooled(const Tensor& last_hidden_state) const {
  if (!has_pooler_) {
    throw Error(ErrorCode::unsupported, "bert: the checkpoint has no pooler (pooler.dense)");
  }
  return pooler_(last_hidden_state.select(1, 0).contiguous(), Activation::tanh);  // [B, C]
}

}  // namespace heed
