#pragma once

#include "heed/models/decoder.h"

namespace heed {

class ConfigReader;

/// Llama 1 to 3 (Touvron et al., 2023; Grattafiori et al., 2024), equal to transformers'
/// LlamaForCausalLM: of the choices of DecoderConfig it has attention_bias (queries, keys, values
/// and output) and mlp_bias. SmolLM2, TinyLlama and many others are Llamas.
struct LlamaConfig : DecoderConfig {
  /// Error corrupt_data for a field of the wrong type or range, unsupported for what Heed does not
  /// do.
  static LlamaConfig read(const ConfigReader& file);
};

}  // namespace heed
