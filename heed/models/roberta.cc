#include "heed/models/roberta.h"

#include "heed/models/config.h"

namespace heed {

RobertaConfig RobertaConfig::read(const ConfigReader& file) {
  RobertaConfig config{BertConfig::read(file)};
  config.names.base = "roberta";
  config.after_padding = true;
  config.padding = static_cast<int32_t>(file.integer("pad_token_id", 0, config.vocab - 1, 1));
  if (config.positions <= config.first_position()) {
    file.refuse("max_position_embeddings", "more than pad_token_id + 1");
  }
  return config;
}

}  // namespace heed
