#include "heed/models/llama.h"

#include "heed/models/decoder_config.h"

namespace heed {

LlamaConfig LlamaConfig::read(const ConfigReader& file) {
  LlamaConfig config{read_decoder(file, "llama")};
  config.query_bias = config.output_bias = file.boolean("attention_bias", false);
  config.feed_forward_bias = file.boolean("mlp_bias", false);
  read_rotary(file, config);
  return config;
}

}  // namespace heed
