#include "heed/models/marian.h"

#include <fmt/format.h>

#include <limits>

#include "heed/io/json.h"
#include "heed/models/config.h"

namespace heed {

MarianConfig MarianConfig::read(const ConfigReader& file) {
  MarianConfig config{BartConfig::read(file)};
  config.architecture = "marian";
  config.sinusoids = true;
  config.embedding_norm = false;
  config.padding = file.padding(58100, config.source_vocab);
  config.shared = file.boolean("share_encoder_decoder_embeddings", true);
  config.target_vocab = file.integer("decoder_vocab_size", 1, std::numeric_limits<int32_t>::max(),
                                     config.source_vocab);
  if (config.shared && config.target_vocab != config.source_vocab) {
    file.refuse("decoder_vocab_size",
                fmt::format("vocab_size {}, as share_encoder_decoder_embeddings is true",
                            config.source_vocab));
  }
  constexpr const char* kPadding = "pad_token_id";
  const bool from_end = file.has(kPadding) && file.json()[kPadding] < 0;
  if (from_end && config.target_vocab != config.source_vocab) {
    file.refuse(kPadding, "0 or more, as the two vocabularies end at different tokens");
  }
  return config;
}

}  // namespace heed
