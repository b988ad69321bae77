#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "heed/base/philox.h"

namespace heed::kernels {

/// Dropout (Srivastava et al., 2014): each number is kept with probability 1 - p and then divided
/// by it, else 0. What is kept of attention's weights is a function of (seed, head, query, key)
/// alone, of other tensors of (seed, element's index), so backward and any split of the work agree
/// without storing a mask; a part of a batch whose rows before it are told draws what the whole
/// does.
struct Dropout {
  float probability = 0;  // in [0, 1); 0: off
  uint64_t seed = 0;
  int64_t first = 0;  // of a part of a batch: heads, or elements, of the rows before it

  bool on() const { return probability > 0; }
  /// A 32-bit draw below this drops its number.
  uint32_t threshold() const {
    return static_cast<uint32_t>(static_cast<double>(probability) * 4294967296.0);
  }
  float factor() const { return 1.0F / (1.0F - probability); }
};

/// Four draws for keys 4 quad to 4 quad + 3. head is first + b * H + h.
inline std::array<uint32_t, 4> dropout_draws(uint64_t seed, uint32_t head, uint32_t query,
                                             uint32_t quad) {
  return philox(seed, {query, quad, head, static_cast<uint32_t>(PhiloxUse::attention_dropout)});
}

/// What dropout multiplies a weight by: 0 or factor().
inline float dropout_factor(const Dropout& dropout, int64_t head, int64_t query, int64_t key) {
  const auto draws = dropout_draws(dropout.seed, static_cast<uint32_t>(dropout.first + head),
                                   static_cast<uint32_t>(query), static_cast<uint32_t>(key / 4));
  return draws[static_cast<size_t>(key % 4)] < dropout.threshold() ? 0.0F : dropout.factor();
}

/// y[i] = x[i] times 0 or factor() for elements first .. first + n - 1 of a tensor; y may be x.
/// What multiplies is the backward too. Exact (one rounding). No scratch, no threads; element i is
/// element i + dropout.first of the whole batch, element j of which uses word j % 4 of philox(seed,
/// j / 4, PhiloxUse::dropout).
void dropout(const Dropout& dropout, int64_t first, const float* x, float* y, int64_t n);

namespace ref {
void dropout(const Dropout& dropout, int64_t first, const float* x, float* y, int64_t n);
}  // namespace ref

}  // namespace heed::kernels
