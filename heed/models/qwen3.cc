#include "heed/models/qwen3.h"

#include "heed/models/decoder_config.h"

namespace heed {

Qwen3Config Qwen3Config::read(const ConfigReader& file) {
  Qwen3Config config{read_decoder(file, "qwen3")};
  if (!file.has("head_dim")) config.head_dim = 128;  // whatever the width is
  config.head_norms = true;
  config.query_bias = config.output_bias = file.boolean("attention_bias", false);
  read_windowed_layers(file, config);
  read_rotary(file, config);
  return config;
}

}  // namespace heed
