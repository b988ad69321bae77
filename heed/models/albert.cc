#include "heed/models/albert.h"

#include <fmt/format.h>

#include "heed/models/config.h"

namespace heed {

AlbertConfig AlbertConfig::read(const ConfigReader& file) {
  AlbertConfig config{BertConfig::read(file)};
  config.embedding_width = file.integer("embedding_size", 1, 1 << 20, 128);
  config.activation = activation_from_name(file.text("hidden_act", "gelu_new"));
  config.names = {.base = "albert",
                  .projection = "encoder.embedding_hidden_mapping_in",
                  .pooler = "pooler",
                  .query = "attention.query",
                  .key = "attention.key",
                  .value = "attention.value",
                  .output = "attention.dense",
                  .attention_norm = "attention.LayerNorm",
                  .widen = "ffn",
                  .narrow = "ffn_output",
                  .feed_forward_norm = "full_layer_layer_norm"};
  config.drops_feed_forward = false;
  const auto layers = std::ssize(config.blocks);
  const int64_t groups = file.integer("num_hidden_groups", 1, layers, 1);
  const int64_t inner = file.integer("inner_group_num", 1, (1 << 12) / layers, 1);
  config.blocks.clear();
  for (int64_t layer = 0; layer < layers; ++layer) {
    for (const std::string& block : numbered("albert_layers", inner)) {
      config.blocks.push_back(
          fmt::format("encoder.albert_layer_groups.{}.{}", layer * groups / layers, block));
    }
  }
  return config;
}

}  // namespace heed
