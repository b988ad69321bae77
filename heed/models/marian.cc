#include "heed/models/marian.h"

#include <fmt/format.h>

#include <limits>

#include "heed/models/config.h"

namespace heed {

MarianConfig MarianConfig::read(const ConfigReader& file) {
  MarianConfig config{BartConfig::read(file)};
  config.architecture = "marian";
  config.sinusoids = true;
  config.embedding_norm = false;
  config.padding = file.padding(58100);
  config.shared = file.boolean("share_encoder_decoder_embeddings", true);
  config.target_vocab = file.integer("decoder_vocab_size", 1, std::numeric_limits<int32_t>::max(),
                                     config.source_vocab);
  if (config.shared && config.target_vocab != config.source_vocab) {
    file.refuse("decoder_vocab_size",
                fmt::format("vocab_size {}, as share_encoder_decoder_embeddings is true",
                            config.source_vocab));
  }
  return config;
}

}  // namespace heed
