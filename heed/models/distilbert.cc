#include "heed/models/distilbert.h"

#include <fmt/format.h>

#include <limits>

#include "heed/models/config.h"

namespace heed {

DistilBertConfig DistilBertConfig::read(const ConfigReader& file) {
  constexpr int64_t kMost = std::numeric_limits<int32_t>::max();
  DistilBertConfig config;
  config.vocab = file.integer("vocab_size", 1, kMost);
  config.width = config.embedding_width = file.integer("dim", 1, 1 << 20);
  config.heads = file.integer("n_heads", 1, 1 << 20);
  config.feed_forward = file.integer("hidden_dim", 1, kMost);
  config.positions = file.integer("max_position_embeddings", 1, kMost);
  config.padding = file.padding(0, config.vocab);
  config.types = 0;
  config.activation = activation_from_name(file.text("activation", "gelu"));
  config.blocks = numbered("transformer.layer", file.integer("n_layers", 1, 1 << 12));
  config.names = {.base = "distilbert",
                  .projection = "",
                  .pooler = "pooler",
                  .query = "attention.q_lin",
                  .key = "attention.k_lin",
                  .value = "attention.v_lin",
                  .output = "attention.out_lin",
                  .attention_norm = "sa_layer_norm",
                  .widen = "ffn.lin1",
                  .narrow = "ffn.lin2",
                  .feed_forward_norm = "output_layer_norm"};
  config.drops_attention = false;
  if (config.width % config.heads != 0) {
    file.refuse("dim", fmt::format("a multiple of n_heads {}", config.heads));
  }
  return config;
}

}  // namespace heed
