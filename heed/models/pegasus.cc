#include "heed/models/pegasus.h"

#include "heed/models/config.h"

namespace heed {

PegasusConfig PegasusConfig::read(const ConfigReader& file) {
  PegasusConfig config{BartConfig::read(file)};
  config.architecture = "pegasus";
  config.norm_first = config.final_norm = config.sinusoids = true;
  config.embedding_norm = false;
  config.padding = file.id("pad_token_id", 0).value_or(-1);
  return config;
}

}  // namespace heed
