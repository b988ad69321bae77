#pragma once

#include <cstdint>
#include <initializer_list>

namespace heed::testing {

/// std's distributions differ between libraries; a seed must mean one case. SplitMix64 (Steele et
/// al., 2014): most of the time of a small case goes into drawing it.
class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed) {}
  uint64_t word() {
    uint64_t x = state_ += 0x9E3779B97F4A7C15U;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
    return x ^ (x >> 31);
  }
  int64_t below(int64_t n) { return static_cast<int64_t>(word() % static_cast<uint64_t>(n)); }
  int64_t between(int64_t least, int64_t most) { return least + below(most - least + 1); }
  bool chance(double p) { return uniform() < p; }
  double uniform() { return static_cast<double>(word() >> 11) * 0x1p-53; }
  /// Near enough to a normal distribution: the sum of four uniform numbers of 16 bits, of variance
  /// 1/3, at 1.
  float normal() {
    const uint64_t x = word();
    const auto sum =
        static_cast<int64_t>((x & 0xffff) + (x >> 16 & 0xffff) + (x >> 32 & 0xffff) + (x >> 48));
    return static_cast<float>(sum - 0x1fffe) * 2.6429e-5F;
  }
  template <class T>
  T any(std::initializer_list<T> values) {
    return values.begin()[below(static_cast<int64_t>(values.size()))];
  }

 private:
  uint64_t state_;
};

}  // namespace heed::testing
