#pragma once

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "heed/kernels/dispatch.h"

namespace heed::kernels {

/// Calls body once for each instruction set of this machine, pinned, and restores the active one.
template <class F>
void on_every_isa(F&& body) {
  const Isa before = active_isa();
  for (const Isa isa : available_isas()) {
    pin_isa(isa);
    const ::testing::ScopedTrace trace(__FILE__, __LINE__, std::string(to_string(isa)));
    body(isa);
  }
  pin_isa(before);
}

/// Seeded values in [-range, range).
inline std::vector<float> random_floats(size_t count, uint32_t seed, float range = 1.0f) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-range, range);
  std::vector<float> values(count);
  for (float& value : values) value = uniform(random);
  return values;
}

}  // namespace heed::kernels
