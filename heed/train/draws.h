#pragma once

#include <cstdint>

#include "heed/base/philox.h"

namespace heed {

/// What the random numbers of training data are for; each use has numbers of its own.
enum class DrawFor : uint64_t { windows = 1, order = 2, masking = 3 };

/// The seed of a part (an epoch, a batch, a row) of what is drawn for a use.
inline uint64_t draw_seed(uint64_t seed, DrawFor use, uint64_t part) {
  return derived_seed(derived_seed(seed, static_cast<uint64_t>(use)), part);
}

/// Number i of a part: 64 random bits as a function of what they are for. Nothing is kept between
/// draws, so a run that was interrupted goes on with the same numbers.
inline uint64_t draw(uint64_t part_seed, uint64_t i) { return derived_seed(part_seed, i); }

/// In [0, count) for a count of at least 1; a count below 2^40 leaves no bias that could be seen.
constexpr int64_t draw_below(int64_t count, uint64_t bits) {
  return static_cast<int64_t>(bits % static_cast<uint64_t>(count));
}

/// In [0, 1), in steps of 2^-53.
constexpr double draw_unit(uint64_t bits) { return static_cast<double>(bits >> 11) * 0x1p-53; }

}  // namespace heed
