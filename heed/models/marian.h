#pragma once

#include "heed/models/bart.h"

namespace heed {

class ConfigReader;

/// What OPUS-MT's translators are (Junczys-Dowmunt et al., 2018), equal to transformers'
/// MarianMTModel: a BART whose positions are sinusoids, without a norm after the embeddings. Source
/// and target may have words of their own (share_encoder_decoder_embeddings, decoder_vocab_size).
struct MarianConfig : BartConfig {
  /// Errors as BartConfig::read().
  static MarianConfig read(const ConfigReader& file);
};

}  // namespace heed
