#include "heed/kernels/elementwise.h"

#include <bit>
#include <cmath>
#include <limits>

namespace heed::kernels::ref {

void add(const float* a, const float* b, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] + b[i];
}

void multiply(const float* a, const float* b, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] * b[i];
}

void scale(const float* a, float factor, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] * factor;
}

void widen_bf16(const uint16_t* x, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = std::bit_cast<float>(static_cast<uint32_t>(x[i]) << 16);
}

void widen_f16(const uint16_t* x, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const int exponent = (x[i] >> 10) & 0x1f;
    const int fraction = x[i] & 0x3ff;
    float value = std::ldexp(static_cast<float>(fraction), -24);  // below the smallest normal
    if (exponent == 31) {
      value = fraction == 0 ? std::numeric_limits<float>::infinity()
                            : std::numeric_limits<float>::quiet_NaN();
    } else if (exponent > 0) {
      value = std::ldexp(static_cast<float>(0x400 + fraction), exponent - 25);
    }
    y[i] = (x[i] & 0x8000) != 0 ? -value : value;
  }
}

}  // namespace heed::kernels::ref
