#pragma once

#include <algorithm>
#include <cmath>
#include <numbers>

#include "heed/kernels/activation.h"
#include "tests/ops/gradient_check.h"

// Formulas in f64, written as they are printed, that gradients of operations and layers are held
// to.

namespace heed::testing {

inline constexpr Activation kActivations[] = {
    Activation::none, Activation::relu, Activation::gelu,   Activation::gelu_tanh,
    Activation::silu, Activation::tanh, Activation::sigmoid};

inline double activated(Activation activation, double z) {
  const double line = std::sqrt(2 / std::numbers::pi);
  switch (activation) {
    case Activation::none:
      return z;
    case Activation::relu:
      return std::max(z, 0.0);
    case Activation::gelu:
      return 0.5 * z * std::erfc(-z / std::numbers::sqrt2);
    case Activation::gelu_tanh:
      return 0.5 * z * (1 + std::tanh(line * (z + 0.044715 * z * z * z)));
    case Activation::silu:
      return z / (1 + std::exp(-z));
    case Activation::tanh:
      return std::tanh(z);
    case Activation::sigmoid:
      return 1 / (1 + std::exp(-z));
  }
  return 0;
}

inline Doubles activated(Activation activation, Doubles z) {
  for (double& value : z) value = activated(activation, value);
  return z;
}

inline Doubles plus(Doubles a, const Doubles& b) {
  for (size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}

/// x [rows, K] w^T + b, w [n, K]; b may be empty.
inline Doubles affine(const Doubles& x, const Doubles& w, const Doubles& b, size_t n) {
  const size_t k = w.size() / n;
  Doubles y(x.size() / k * n);
  for (size_t at = 0; at < y.size(); ++at) {
    y[at] = b.empty() ? 0.0 : b[at % n];
    for (size_t i = 0; i < k; ++i) y[at] += x[at / n * k + i] * w[at % n * k + i];
  }
  return y;
}

/// Layer norm of rows [rows, C], or, not centred, RMS norm; C is the gain's size, the bias may be
/// empty.
inline Doubles norm(const Doubles& x, const Doubles& gain, const Doubles& bias, bool centred,
                    float epsilon) {
  const size_t width = gain.size();
  Doubles y;
  for (size_t row = 0; row < x.size(); row += width) {
    double mean = 0, variance = 0;
    for (size_t c = 0; centred && c < width; ++c) mean += x[row + c] / double(width);
    for (size_t c = 0; c < width; ++c) {
      variance += std::pow(x[row + c] - mean, 2) / double(width);
    }
    for (size_t c = 0; c < width; ++c) {
      const double h = (x[row + c] - mean) / std::sqrt(variance + double{epsilon});
      y.push_back(h * gain[c] + (bias.empty() ? 0.0 : bias[c]));
    }
  }
  return y;
}

/// activation(x) of the first half of each row of `width` times the second.
inline Doubles gated(Activation activation, const Doubles& x, size_t width) {
  Doubles y;
  for (size_t at = 0; at < x.size() / 2; ++at) {
    const double* row = &x[at / (width / 2) * width];
    const size_t i = at % (width / 2);
    y.push_back(activated(activation, row[i]) * row[width / 2 + i]);
  }
  return y;
}

/// Turns the first `rotary_dim` numbers of one head by its position (heed/ops/rotary.h), base
/// 10000; pairs as halves, else side by side.
inline void turn(double* x, size_t rotary_dim, double position, bool halves) {
  for (size_t i = 0; i < rotary_dim / 2; ++i) {
    double& first = x[halves ? i : 2 * i];
    double& second = x[halves ? i + rotary_dim / 2 : 2 * i + 1];
    const double angle = position / std::pow(10000.0, 2.0 * double(i) / double(rotary_dim));
    const double before = first;
    first = before * std::cos(angle) - second * std::sin(angle);
    second = second * std::cos(angle) + before * std::sin(angle);
  }
}

}  // namespace heed::testing
