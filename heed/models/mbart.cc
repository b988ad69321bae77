#include "heed/models/mbart.h"

#include "heed/models/config.h"

namespace heed {

MBartConfig MBartConfig::read(const ConfigReader& file) {
  MBartConfig config{BartConfig::read(file)};
  config.architecture = "mbart";
  config.norm_first = config.final_norm = true;
  return config;
}

}  // namespace heed
