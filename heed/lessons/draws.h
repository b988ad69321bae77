#pragma once

#include <cstdint>

#include "heed/base/philox.h"

namespace heed::lessons_internal {

/// Numbers below n, a function of seed and counter alone.
class Draws {
 public:
  explicit Draws(uint64_t seed) : seed_(seed) {}
  int64_t below(int64_t n) {
    const auto words = philox(seed_, {count_++, 0, 0, 0});
    return static_cast<int64_t>(uint64_t{words[0]} * static_cast<uint64_t>(n) >> 32);
  }

 private:
  uint64_t seed_;
  uint32_t count_ = 0;
};

}  // namespace heed::lessons_internal
