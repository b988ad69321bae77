#include "heed/kernels/optimizer.h"

#include <array>
#include <cmath>

namespace heed::kernels::ref {
namespace {

/// Number i of a sum goes to lane i mod 16, in order; the lanes are added in pairs at the end. That
/// is the order of the vector sources, whatever the width of their vectors.
class LaneSum {
 public:
  void add(double x) { lanes_[next_++ % lanes_.size()] += x; }
  double total() {
    for (size_t half = lanes_.size() / 2; half > 0; half /= 2) {
      for (size_t i = 0; i < half; ++i) lanes_[i] += lanes_[i + half];
    }
    return lanes_[0];
  }

 private:
  std::array<double, 16> lanes_{};
  size_t next_ = 0;
};

}  // namespace

void adam(const AdamStep& step, float* w, const float* g, float* m, float* v, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const float gradient = step.gradient_factor * g[i] + step.l2 * w[i];
    m[i] += step.one_minus_beta1 * (gradient - m[i]);
    v[i] = step.beta2 * v[i] + step.one_minus_beta2 * gradient * gradient;
    const float root = std::sqrt(v[i]) * step.inverse_root + step.epsilon;
    w[i] = step.decay * w[i] - step.step_size * m[i] / root;
  }
}

void sgd(const SgdStep& step, float* w, const float* g, float* buffer, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const float gradient = step.gradient_factor * g[i] + step.l2 * w[i];
    float direction = gradient;
    if (buffer != nullptr) {
      buffer[i] = step.momentum * buffer[i] + gradient;
      direction = step.nesterov ? gradient + step.momentum * buffer[i] : buffer[i];
    }
    w[i] -= step.rate * direction;
  }
}

void lion(const LionStep& step, float* w, const float* g, float* m, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    const float gradient = step.gradient_factor * g[i];
    const float mixed = step.beta1 * m[i] + step.one_minus_beta1 * gradient;
    w[i] = step.decay * w[i] - (mixed == 0 ? 0.0F : std::copysign(step.rate, mixed));
    m[i] = step.beta2 * m[i] + step.one_minus_beta2 * gradient;
  }
}

double sum_squares(const float* x, const float* y, float factor, int64_t n) {
  LaneSum sum;
  for (int64_t i = 0; i < n; ++i) {
    const double product = factor * x[i] * (y == nullptr ? 1.0F : y[i]);
    sum.add(product * product);
  }
  return sum.total();
}

double adafactor_squares(const float* g, float factor, float epsilon, double* column_sums,
                         int64_t n) {
  LaneSum sum;
  for (int64_t i = 0; i < n; ++i) {
    const float gradient = factor * g[i];
    const float square = gradient * gradient + epsilon;
    column_sums[i] += square;
    sum.add(square);
  }
  return sum.total();
}

void adafactor(const AdafactorStep& step, float* w, const float* g, const float* column_factors,
               float* m, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    float update = step.row_factor * column_factors[i] * g[i];
    if (m != nullptr) {
      m[i] = step.beta1 * m[i] + step.one_minus_beta1 * update;
      update = m[i];
    }
    w[i] = w[i] - step.decay * w[i] - update;
  }
}

}  // namespace heed::kernels::ref
