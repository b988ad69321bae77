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

double gelu_tanh(double x) {
  const double u = std::sqrt(2.0 / std::numbers::pi) * (x + 0.044715 * x * x * x);
  return bounded(x) / (1.0 + std::exp(-2.0 * u));  // x / 2 (1 + tanh u)
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
  }
  return x;
}

}  // namespace

void activate(Activation activation, const float* x, float* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = static_cast<float>(apply(activation, x[i]));
}

}  // namespace heed::kernels::ref
