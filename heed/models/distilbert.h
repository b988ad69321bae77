#pragma once

#include "heed/models/bert.h"

namespace heed {

/// DistilBERT (Sanh et al., 2019): half of a BERT's blocks, without token types and pooler, its
/// sizes and weights under names of its own.
struct DistilBertConfig : BertConfig {
  /// Errors as BertConfig::read.
  static DistilBertConfig read(const ConfigReader& file);
};

}  // namespace heed
