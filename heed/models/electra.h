#pragma once

#include "heed/models/bert.h"

namespace heed {

/// ELECTRA (Clark et al., 2020), generator and discriminator: a BERT whose embeddings may be
/// narrower than its blocks (embedding_size), without a pooler.
struct ElectraConfig : BertConfig {
  /// Errors as BertConfig::read.
  static ElectraConfig read(const ConfigReader& file);
};

}  // namespace heed
