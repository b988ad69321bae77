#include "heed/models/electra.h"

#include "heed/models/config.h"

namespace heed {

ElectraConfig ElectraConfig::read(const ConfigReader& file) {
  ElectraConfig config{BertConfig::read(file)};
  config.names.base = "electra";
  config.embedding_width = file.integer("embedding_size", 1, 1 << 20, 128);
  if (config.embedding_width != config.width) config.names.projection = "embeddings_project";
  return config;
}

}  // namespace heed
