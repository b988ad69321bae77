#include "heed/models/phi3.h"

#include "heed/models/decoder_config.h"

namespace heed {

Phi3Config Phi3Config::read(const ConfigReader& file) {
  Phi3Config config{read_decoder(file, "phi3")};
  config.fused = true;
  config.epsilon = static_cast<float>(file.number("rms_norm_eps", 0, 1, 1e-5));
  read_window(file, config, 0);
  read_rotary(file, config);
  return config;
}

}  // namespace heed
