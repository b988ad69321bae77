#pragma once

#include <array>
#include <cstdint>

namespace heed {

inline constexpr uint32_t kPhiloxFactors[2] = {0xD2511F53U, 0xCD9E8D57U};
inline constexpr uint32_t kPhiloxWeyl[2] = {0x9E3779B9U, 0xBB67AE85U};
inline constexpr int kPhiloxRounds = 7;

/// What the last word of a counter says a draw is for, so that uses of one key never meet.
enum class PhiloxUse : uint32_t {
  attention_dropout = 0,
  dropout = 1,
  seeds = 2,
  parameters = 3,
  sampling = 4,
  beams = 5,
};

/// Philox-4x32-7 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011, where seven
/// rounds pass BigCrush): four uniform words, a function of key and counter alone.
inline std::array<uint32_t, 4> philox(uint64_t key, std::array<uint32_t, 4> counter) {
  std::array<uint32_t, 2> k{static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)};
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const uint64_t a = uint64_t{kPhiloxFactors[0]} * counter[0];
    const uint64_t b = uint64_t{kPhiloxFactors[1]} * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ k[0], static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ k[1], static_cast<uint32_t>(a)};
    k[0] += kPhiloxWeyl[0];
    k[1] += kPhiloxWeyl[1];
  }
  return counter;
}

/// Words 4 i to 4 i + 3 of a stream.
inline std::array<uint32_t, 4> philox(uint64_t key, uint64_t i, PhiloxUse use) {
  return philox(key, {static_cast<uint32_t>(i), static_cast<uint32_t>(i >> 32), 0,
                      static_cast<uint32_t>(use)});
}

/// Seed i of those that belong to a seed.
inline uint64_t derived_seed(uint64_t seed, uint64_t i) {
  const std::array<uint32_t, 4> words = philox(seed, i, PhiloxUse::seeds);
  return words[0] | uint64_t{words[1]} << 32;
}

}  // namespace heed
