#include "heed/models/qwen2.h"

#include "heed/models/decoder_config.h"

namespace heed {

Qwen2Config Qwen2Config::read(const ConfigReader& file) {
  Qwen2Config config{read_decoder(file, "qwen2")};
  config.query_bias = true;
  read_windowed_layers(file, config);
  read_rotary(file, config);
  return config;
}

}  // namespace heed
