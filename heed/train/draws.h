#pragma once

#include <cstdint>
#include <initializer_list>

namespace heed {

/// What random numbers of a training run are for; each use has numbers of its own.
enum class DrawFor : uint64_t { windows = 1, order = 2, masking = 3, weights = 4, dropout = 5 };

/// 64 random bits as a function of what they are for: nothing is kept between draws, so a run that
/// was interrupted goes on with the same numbers. `part` and `index` are free (an epoch and a row,
/// a step and a place). SplitMix64's finaliser (Steele et al., 2014) over each word in turn.
constexpr uint64_t draw(uint64_t seed, DrawFor use, uint64_t part, uint64_t index) {
  uint64_t state = 0;
  for (const uint64_t word : {seed, static_cast<uint64_t>(use), part, index}) {
    state += word + 0x9E3779B97F4A7C15U;
    state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9U;
    state = (state ^ state >> 27) * 0x94D049BB133111EBU;
    state ^= state >> 31;
  }
  return state;
}

/// In [0, count) for a count of at least 1; a count below 2^40 leaves no bias that could be seen.
constexpr int64_t draw_below(int64_t count, uint64_t bits) {
  return static_cast<int64_t>(bits % static_cast<uint64_t>(count));
}

/// In [0, 1), in steps of 2^-53.
constexpr double draw_unit(uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

}  // namespace heed
