#include "heed/models/bert.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "heed/base/error.h"
#include "heed/base/log.h"
#include "heed/base/message.h"
#include "heed/models/config.h"
#include "heed/models/real_tokens.h"
#include "heed/nn/checkpoint.h"
#include "heed/nn/make_layers.h"
#include "heed/tensor/dims.h"

namespace heed {
namespace {

AttentionWeights attention_weights(const Params& params, const BertNames& names, int64_t width) {
  AttentionWeights weights;
  weights.query = LinearWeights(params / names.query, width, width);
  weights.key = LinearWeights(params / names.key, width, width);
  weights.value = LinearWeights(params / names.value, width, width);
  weights.output = LinearWeights(params / names.output, width, width);
  return weights;
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
  config.width = config.embedding_width = file.integer("hidden_size", 1, kWidest);
  config.blocks = numbered("encoder.layer", file.integer("num_hidden_layers", 1, 1 << 12));
  config.heads = file.integer("num_attention_heads", 1, kWidest);
  config.feed_forward = file.integer("intermediate_size", 1, kMost);
  config.positions = file.integer("max_position_embeddings", 1, kMost);
  config.types = file.integer("type_vocab_size", 1, kMost, 2);
  config.activation = activation_from_name(file.text("hidden_act", "gelu"));
  config.padding = file.padding(0, config.vocab);
  config.epsilon = static_cast<float>(file.number("layer_norm_eps", 0, 1, 1e-12));
  if (config.width % config.heads != 0) {
    file.refuse("hidden_size", fmt::format("a multiple of num_attention_heads {}", config.heads));
  }
  return config;
}

std::vector<std::string> BertConfig::numbered(std::string_view layer, int64_t layers) {
  std::vector<std::string> paths;
  for (int64_t i = 0; i < layers; ++i) paths.push_back(fmt::format("{}.{}", layer, i));
  return paths;
}

BertBlock::BertBlock(const Params& params, const BertConfig& config)
    : attend(attention_weights(params, config.names, config.width), config.heads),
      attention_norm(params / config.names.attention_norm, config.width, config.epsilon),
      feed_forward(Linear(params / config.names.widen, config.width, config.feed_forward),
                   Linear(params / config.names.narrow, config.feed_forward, config.width),
                   config.activation),
      feed_forward_norm(params / config.names.feed_forward_norm, config.width, config.epsilon),
      drops_attention(config.drops_attention),
      drops_feed_forward(config.drops_feed_forward) {
  params.release();
}

Tensor BertBlock::operator()(Tensor x, const Mask& mask, const Run& run) const {  // x [B, T, C]
  const auto part = [&](const Tensor& y, bool drops) { return drops ? run.drop(y) : y; };
  x = attention_norm(x + part(attend(x, mask, run), drops_attention));      // mixes tokens
  return feed_forward_norm(x + part(feed_forward(x), drops_feed_forward));  // one token at a time
}

Bert::Bert(const BertConfig& config, const Params& all)
    : facts_{.architecture = config.names.base,
             .width = config.width,
             .layers = std::ssize(config.blocks),
             .heads = config.heads,
             .max_tokens = config.positions - config.first_position(),
             .vocab = config.vocab,
             .types = config.types},
      projects_(!config.names.projection.empty()),
      padding_(config.after_padding ? config.padding : -1) {
  const int64_t width = config.embedding_width;
  const Params params =
      all.contains("embeddings.word_embeddings.weight") ? all : all / config.names.base;
  const Params embeddings = params / "embeddings";
  words_ = Embedding(embeddings / "word_embeddings", config.vocab, width, config.padding);
  positions_ =
      LearnedPositions(embeddings / "position_embeddings",
                       config.positions - config.first_position(), width, config.first_position());
  if (config.types > 0)
    types_ = Embedding(embeddings / "token_type_embeddings", config.types, width);
  embedding_norm_ = LayerNorm(embeddings / "LayerNorm", width, config.epsilon);
  if (projects_) projection_ = Linear(params / config.names.projection, width, config.width);
  std::vector<std::string> distinct = config.blocks;
  std::ranges::sort(distinct);
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  blocks_.resize(distinct.size());
  make_layers(params, std::ssize(distinct), [&](int64_t i) {
    const auto at = static_cast<size_t>(i);
    blocks_[at] = BertBlock(params / distinct[at], config);
  });
  for (const std::string& path : config.blocks) {
    order_.push_back(
        static_cast<size_t>(std::ranges::lower_bound(distinct, path) - distinct.begin()));
  }
  has_pooler_ = params.contains(config.names.pooler + ".weight");
  if (has_pooler_) pooler_ = Linear(params / config.names.pooler, config.width, config.width);
  trained_ = params.trained();
  const std::string encoder = config.blocks[0].substr(0, config.blocks[0].find('.'));
  if (const auto left = (params / encoder).unused(); !left.empty()) {
    log(LogLevel::warning,
        fmt::format("{}: the encoder does not use {}, {} first; config.json may not belong "
                    "to the weights",
                    facts_.architecture, counted(std::ssize(left), "weight"), left.front()));
  }
}

/// RoBERTa counts the tokens that are not the padding's id, which stands at its own position.
Tensor Bert::positions_of(const EncoderInput& input) const {
  const int64_t batch = input.ids.size(0), tokens = input.ids.size(1);
  const Tensor ids = input.ids.contiguous();
  if (padding_ < 0 || std::ranges::count(ids.span<int32_t>(), padding_) == 0) {
    return positions_(tokens);
  }
  const Tensor rows = Tensor::empty(input.ids.shape(), DType::i32);  // [B, T]
  for (int64_t b = 0; b < batch; ++b) {
    int32_t row = padding_;
    for (int64_t t = b * tokens; t < (b + 1) * tokens; ++t) {
      const bool counts = ids.data<int32_t>()[t] != padding_;
      rows.data<int32_t>()[t] = counts ? ++row : padding_;
    }
  }
  return positions_.rows(rows, padding_);
}

Tensor Bert::embed(const EncoderInput& input, const Run& run) const {
  Tensor x = words_(input.ids);  // [B, T, E]
  if (facts_.types > 0) {
    x = x + (input.type_ids ? types_(input.type_ids)                    // [B, T, E]
                            : types_(Tensor::zeros({1}, DType::i32)));  // [1, E]
  }
  x = run.drop(embedding_norm_(x + positions_of(input)));
  return projects_ ? projection_(x) : x;  // [B, T, C]
}

Tensor Bert::blocks(Tensor x, const Mask& mask, const Run& run) const {
  run.reached(0, x);
  for (int64_t i = 0; i < facts_.layers; ++i) {
    x = through_block(blocks_[order_[static_cast<size_t>(i)]], x, mask, run.at(i));
    run.reached(i + 1, x);
  }
  return x;
}

Tensor Bert::operator()(const EncoderInput& input, const Run& run) const {
  const std::string& name = facts_.architecture;
  Dims dims(name);
  dims.bind("ids", input.ids, "B T", DType::i32);
  if (input.type_ids) dims.bind("type_ids", input.type_ids, "B T", DType::i32);
  if (dims['T'] > facts_.max_tokens) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: a text of {} tokens is longer than the model's {} positions; "
                            "cut it",
                            name, dims['T'], facts_.max_tokens));
  }
  return through_real_tokens(
      name, embed(input, run), input.lengths, run.needs_whole_batch() || trained_,
      [&](const Tensor& tokens, const Mask& mask) { return blocks(tokens, mask, run); });
}

Tensor Bert::pooled(const Tensor& last_hidden_state) const {
  if (!has_pooler_) {
    throw Error(ErrorCode::unsupported, facts_.architecture + ": the checkpoint has no pooler");
  }
  return pooler_(last_hidden_state.select(1, 0).contiguous(), Activation::tanh);  // [B, C]
}

}  // namespace heed
