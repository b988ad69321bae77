#pragma once

#include "heed/models/bart.h"

namespace heed {

class ConfigReader;

/// mBART and mBART-50 (Liu et al., 2020), equal to transformers' MBartForConditionalGeneration: a
/// BART whose norms come first, with one more after either stack.
struct MBartConfig : BartConfig {
  /// Errors as BartConfig::read().
  static MBartConfig read(const ConfigReader& file);
};

}  // namespace heed
