#pragma once

#include "heed/models/bert.h"

namespace heed {

/// ALBERT (Lan et al., 2019): a BERT of narrow embeddings whose layers share their weights in
/// num_hidden_groups groups, each of inner_group_num blocks.
struct AlbertConfig : BertConfig {
  /// Errors as BertConfig::read.
  static AlbertConfig read(const ConfigReader& file);
};

}  // namespace heed
