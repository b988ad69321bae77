#pragma once

#include "heed/models/decoder.h"

namespace heed {

class ConfigReader;

/// Qwen2 and Qwen2.5 (Yang et al., 2024), equal to transformers' Qwen2ForCausalLM: Llama with
/// biases on queries, keys and values, and a window on some layers.
struct Qwen2Config : DecoderConfig {
  /// Error corrupt_data for a field of the wrong type or range, unsupported for what Heed does not
  /// do.
  static Qwen2Config read(const ConfigReader& file);
};

}  // namespace heed
