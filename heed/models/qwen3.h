#pragma once

#include "heed/models/decoder.h"

namespace heed {

class ConfigReader;

/// Qwen3 (Yang et al., 2025), equal to transformers' Qwen3ForCausalLM: Llama with each head's
/// query and key normed, attention_bias, and a window on some layers.
struct Qwen3Config : DecoderConfig {
  /// Error corrupt_data for a field of the wrong type or range, unsupported for what Heed does not
  /// do.
  static Qwen3Config read(const ConfigReader& file);
};

}  // namespace heed
