#pragma once

#include <cstdint>
#include <vector>

#include "heed/ops/rotary.h"

namespace heed {

/// How frequencies change so that a model reads texts longer than those it was first trained on;
/// docs/math/rope.md derives each. Fields are named after what they are; config.json's names
/// beside them.
struct RotaryScaling {
  enum class Kind : uint8_t {
    none,
    linear,  // position interpolation (Chen et al., 2023): every frequency / factor
    llama3,  // Llama 3.1: slow ones / factor, fast ones as they are, a ramp between
    yarn,    // YaRN (Peng et al., 2023), NTK by parts: the same, the ramp over pairs
    each,    // LongRoPE (Ding et al., 2024): a divisor for each pair
  };
  Kind kind = Kind::none;
  double factor = 1;
  double original_positions = 0;  // original_max_position_embeddings
  double slow = 1;                // low_freq_factor, beta_slow: turns over the original positions
  double fast = 4;                // high_freq_factor, beta_fast
  bool whole_pairs = true;        // truncate: YaRN's ramp begins and ends at a pair
  std::vector<double> divisors;   // short_factor: [R/2]
  double amplitude = 1;           // attention_factor: on cosines and sines
};

/// rotary_frequencies(), scaled: [R/2]. Errors as there, and invalid_argument for divisors that are
/// not R/2.
std::vector<float> scaled_frequencies(int64_t rotary_dim, double base,
                                      const RotaryScaling& scaling);

/// A model's rotary positions: any position's angles, computed when they are needed.
class RotaryPositions {
 public:
  RotaryPositions() = default;
  /// Errors as scaled_frequencies().
  RotaryPositions(int64_t rotary_dim, double base, const RotaryScaling& scaling = {})
      : frequencies_(scaled_frequencies(rotary_dim, base, scaling)),
        amplitude_(static_cast<float>(scaling.amplitude)) {}

  /// The angles of T tokens, of which row b's stand at first[b], first[b] + 1 and so on: [T, R/2]
  /// where all begin at the same position, else [B, T, R/2].
  RotaryTable operator()(const std::vector<int64_t>& first, int64_t tokens) const;

 private:
  std::vector<float> frequencies_;  // [R/2]
  float amplitude_ = 1;
};

}  // namespace heed
