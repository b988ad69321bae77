#include "heed/kernels/activation.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace heed::kernels::ref {
namespace {

// The limit at minus infinity is 0, but -inf x 0 is not: far enough left all three are 0 in f32.
double bounded(double x) { return std::max(x, -1000.0); }

double gelu(double x) { return 0.5 * bounded(x) * std::erfc(-x / std::numbers::sqrt2); }

double silu(double x) { return bounded(x) / (1.0 + std::exp(-x)); }

const double kGeluTanh = std::sqrt(2.0 / std::numbers::pi);

double gelu_tanh(double x) {
  const double u = kGeluTanh * (x + 0.044715 * x * x * x);
  return bounded(x) / (1.0 + std::exp(-2.0 * u));  // x / 2 (1 + tanh u)
}

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

/// s(x) (1 - s(x)), without the difference.
double sigmoid_slope(double x) {
  const double e = std::exp(-std::abs(x));
  return e / ((1.0 + e) * (1.0 + e));
}

double gelu_slope(double x) {
  const double z = std::clamp(x, -1000.0, 1000.0);  // inf x 0 must not become NaN
  const double density = std::exp(-0.5 * z * z) / std::sqrt(2.0 * std::numbers::pi);
  return 0.5 * std::erfc(-z / std::numbers::sqrt2) + z * density;
}

double silu_slope(double x) {
  return sigmoid(x) + std::clamp(x, -1000.0, 1000.0) * sigmoid_slope(x);
}

double gelu_tanh_slope(double x) {
  const double z = std::clamp(x, -1000.0, 1000.0);
  const double u = kGeluTanh * (z + 0.044715 * z * z * z);
  const double slope = kGeluTanh * (1.0 + 3.0 * 0.044715 * z * z);
  return sigmoid(2.0 * u) + z * 2.0 * slope * sigmoid_slope(2.0 * u);
}

double apply(Activation activation, double x) {
  switch (activation) {
    case Activation::none:
      return x;
    case Activation::relu:
      return x < 0.0 ? 0.0 : x;
    case Activation::gelu:
      return gelu(x);
    case Activation::gelu_tanh:
      return gelu_tanh(x);
    case Activation::silu:
      return silu(x);
    case Activation::tanh:
      return std::tanh(x);
    case Activation::sigmoid:
      return sigmoid(x);
  }
  return x;
}

double slope(Activation activation, double x) {
  switch (activation) {
    case Activation::none:
      return 1.0;
    case Activation::relu:
      return x <= 0.0 ? 0.0 : 1.0;
    case Activation::gelu:
      return gelu_slope(x);
    case Activation::gelu_tanh:
      return gelu_tanh_slope(x);
    case Activation::silu:
      return silu_slope(x);
    case Activation::tanh:
      return 4.0 * sigmoid_slope(2.0 * x);
    case Activation::sigmoid:
      return sigmoid_slope(x);
  }
  return 1.0;
}

}  // namespace

void activate(Activation activation, const float* x, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<float>(apply(activation, x[i]));
}

void activate_backward(Activation activation, const float* z, const float* da, float* dz, int64_t n,
                       float* a) {
  for (int64_t i = 0; i < n; ++i) {
    const double x = z[i];
    dz[i] = static_cast<float>(da[i] * slope(activation, x));
    if (a != nullptr) a[i] = static_cast<float>(apply(activation, x));
  }
}

}  // namespace heed::kernels::ref
