#include "heed/models/mistral.h"

#include "heed/models/decoder_config.h"

namespace heed {

MistralConfig MistralConfig::read(const ConfigReader& file) {
  MistralConfig config{read_decoder(file, "mistral")};
  if (!file.has("num_key_value_heads")) file.refuse("num_key_value_heads", "a number of heads");
  read_window(file, config, 4096);
  read_rotary(file, config);
  return config;
}

}  // namespace heed
