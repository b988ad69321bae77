#include "heed/models/mistral.h"

#include "heed/models/decoder_config.h"

namespace heed {

MistralConfig MistralConfig::read(const ConfigReader& file) {
  MistralConfig config{read_decoder(file, "mistral")};
  read_window(file, config, 4096);
  read_rotary(file, config);
  return config;
}

}  // namespace heed
