#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "heed/kernels/amx.h"
#include "heed/kernels/bf16_dots.h"
#include "heed/kernels/dispatch.h"

namespace heed::kernels {

/// Has what isa multiplies pairs with computed in scalar code, or by the machine.
inline void emulate_pairs(Isa isa, bool on) {
  if (isa == Isa::amx) internal::emulate_tiles(on);
  if (isa == Isa::avx512_bf16) internal::emulate_dots(on);
}

/// The instruction sets of this machine; where it has AVX-512 also those whose products of pairs it
/// lacks, in scalar code.
inline std::vector<Isa> tested_isas() {
  std::vector<Isa> isas = available_isas();
  const auto has = [&](Isa isa) { return std::find(isas.begin(), isas.end(), isa) != isas.end(); };
  if (!has(Isa::avx512)) return isas;
  for (const Isa isa : {Isa::avx512_bf16, Isa::amx}) {
    if (has(isa)) continue;
    emulate_pairs(isa, true);
    isas.push_back(isa);
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
