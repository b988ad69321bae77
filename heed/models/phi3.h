#pragma once

#include "heed/models/decoder.h"

namespace heed {

class ConfigReader;

/// Phi-3 (Abdin et al., 2024), equal to transformers' Phi3ForCausalLM: Llama with one matrix for
/// queries, keys and values, one for gate and up, a window, and a part of each head that does not
/// turn (partial_rotary_factor). With longrope it reads texts up to
/// original_max_position_embeddings, where short_factor holds.
struct Phi3Config : DecoderConfig {
  /// Error corrupt_data for a field of the wrong type or range, unsupported for what Heed does not
  /// do.
  static Phi3Config read(const ConfigReader& file);
};

}  // namespace heed
