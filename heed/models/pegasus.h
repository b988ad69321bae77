#pragma once

#include "heed/models/bart.h"

namespace heed {

class ConfigReader;

/// Pegasus (Zhang et al., 2020), equal to transformers' PegasusForConditionalGeneration: a BART
/// whose norms come first, with one more after either stack and none after the embeddings; its
/// positions are sinusoids.
struct PegasusConfig : BartConfig {
  /// Errors as BartConfig::read().
  static PegasusConfig read(const ConfigReader& file);
};

}  // namespace heed
