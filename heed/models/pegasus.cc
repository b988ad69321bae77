#include "heed/models/pegasus.h"

#include "heed/models/config.h"

namespace heed {

PegasusConfig PegasusConfig::read(const ConfigReader& file) {
  PegasusConfig config{BartConfig::read(file)};
  config.architecture = "pegasus";
  config.norm_first = config.final_norm = config.sinusoids = true;
  config.embedding_norm = false;
  config.padding = file.padding(0, config.source_vocab);
  return config;
}

}  // namespace heed
