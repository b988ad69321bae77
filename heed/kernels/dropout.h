#pragma once

#include <array>
#include <cstdint>

namespace heed::kernels {

/// Attention dropout: each weight is kept with probability 1 - p and then divided by it, else 0.
/// What is kept is a function of (seed, head, query, key) alone, so backward and any split of the
/// work agree without storing a mask.
struct Dropout {
  float probability = 0;  // in [0, 1); 0: off
  uint64_t seed = 0;

  bool on() const { return probability > 0; }
  /// A 32-bit draw below this drops its weight.
  uint32_t threshold() const {
    return static_cast<uint32_t>(static_cast<double>(probability) * 4294967296.0);
  }
  float factor() const { return 1.0F / (1.0F - probability); }
};

constexpr uint32_t kPhiloxFactors[2] = {0xD2511F53U, 0xCD9E8D57U};
constexpr uint32_t kPhiloxWeyl[2] = {0x9E3779B9U, 0xBB67AE85U};
constexpr int kPhiloxRounds = 7;

/// Philox-4x32-7 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011, where seven
/// rounds pass BigCrush): four draws for keys 4 quad to 4 quad + 3. head is b * H + h.
inline std::array<uint32_t, 4> dropout_draws(uint64_t seed, uint32_t head, uint32_t query,
                                             uint32_t quad) {
  std::array<uint32_t, 4> x{query, quad, head, 0};
  std::array<uint32_t, 2> key{static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const uint64_t a = uint64_t{kPhiloxFactors[0]} * x[0];
    const uint64_t b = uint64_t{kPhiloxFactors[1]} * x[2];
    x = {static_cast<uint32_t>(b >> 32) ^ x[1] ^ key[0], static_cast<uint32_t>(b),
         static_cast<uint32_t>(a >> 32) ^ x[3] ^ key[1], static_cast<uint32_t>(a)};
    key[0] += kPhiloxWeyl[0];
    key[1] += kPhiloxWeyl[1];
  }
  return x;
}

/// What dropout multiplies a weight by: 0 or factor().
inline float dropout_factor(const Dropout& dropout, int64_t head, int64_t query, int64_t key) {
  const auto draws = dropout_draws(dropout.seed, static_cast<uint32_t>(head),
                                   static_cast<uint32_t>(query), static_cast<uint32_t>(key / 4));
  return draws[static_cast<size_t>(key % 4)] < dropout.threshold() ? 0.0F : dropout.factor();
}

}  // namespace heed::kernels
