#pragma once

#include "heed/models/decoder.h"

namespace heed {

class ConfigReader;

/// Mistral 7B (Jiang et al., 2023), equal to transformers' MistralForCausalLM: Llama whose tokens
/// see the last sliding_window tokens.
struct MistralConfig : DecoderConfig {
  /// Error corrupt_data for a field of the wrong type or range, unsupported for what Heed does not
  /// do.
  static MistralConfig read(const ConfigReader& file);
};

}  // namespace heed
