#pragma once

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "heed/kernels/amx.h"
#include "heed/kernels/dispatch.h"

namespace heed::kernels {

/// The instruction sets of this machine; AMX too where it has AVX-512 alone, with its tile
/// instructions in scalar code.
inline std::vector<Isa> tested_isas() {
  std::vector<Isa> isas = available_isas();
  if (!isas.empty() && isas.back() == Isa::avx512) {
    internal::emulate_tiles(true);
    isas.push_back(Isa::amx);
  }
  return isas;
}

/// Calls body once for each of them, pinned, and restores the active one.
template <class F>
void on_every_isa(F&& body) {
  const Isa before = active_isa();
  for (const Isa isa : tested_isas()) {
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
