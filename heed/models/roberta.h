#pragma once

#include "heed/models/bert.h"

namespace heed {

/// RoBERTa (Liu et al., 2019), and XLM-RoBERTa and CamemBERT, which differ in their data alone: a
/// BERT whose positions count from pad_token_id, so that a row's first token stands at
/// pad_token_id + 1.
struct RobertaConfig : BertConfig {
  /// Errors as BertConfig::read.
  static RobertaConfig read(const ConfigReader& file);
};

}  // namespace heed
