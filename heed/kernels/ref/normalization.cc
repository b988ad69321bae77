#include "heed/kernels/normalization.h"

#include <cmath>
#include <limits>

namespace heed::kernels::ref {

void layer_norm(const NormRows& rows) {
  const int64_t width = rows.width;
  for (int64_t r = 0; r < rows.rows; ++r) {
    const float* x = rows.x + r * width;
    float* y = rows.y + r * width;
    float* z = rows.sum == nullptr ? y : rows.sum + r * width;
    double sum = 0.0;
    for (int64_t c = 0; c < width; ++c) {
      z[c] = rows.residual == nullptr ? x[c] : x[c] + rows.residual[r * width + c];
      sum += z[c];
    }
    const double mean = sum / static_cast<double>(width);
    double squares = 0.0;
    for (int64_t c = 0; c < width; ++c) squares += (z[c] - mean) * (z[c] - mean);
    const double inverse = 1.0 / std::sqrt(squares / static_cast<double>(width) + rows.epsilon);
    for (int64_t c = 0; c < width; ++c) {
      const double bias = rows.bias == nullptr ? 0.0 : rows.bias[c];
      y[c] = static_cast<float>((z[c] - mean) * inverse * rows.gain[c] + bias);
    }
  }
}

void rms_norm(const NormRows& rows) {
  const int64_t width = rows.width;
  for (int64_t r = 0; r < rows.rows; ++r) {
    const float* x = rows.x + r * width;
    double squares = 0.0;
    for (int64_t c = 0; c < width; ++c) squares += static_cast<double>(x[c]) * x[c];
    const double inverse = 1.0 / std::sqrt(squares / static_cast<double>(width) + rows.epsilon);
    for (int64_t c = 0; c < width; ++c) {
      rows.y[r * width + c] = static_cast<float>(x[c] * inverse * rows.gain[c]);
    }
  }
}

void softmax(const float* x, float* y, int64_t rows, int64_t width) {
  constexpr float kHidden = -std::numeric_limits<float>::infinity();
  for (int64_t r = 0; r < rows; ++r, x += width, y += width) {
    float maximum = kHidden;
    for (int64_t c = 0; c < width; ++c) maximum = std::fmax(maximum, x[c]);
    const float shift = maximum == kHidden ? 0.0f : maximum;
    double sum = 0.0;
    for (int64_t c = 0; c < width; ++c) sum += std::exp(static_cast<double>(x[c]) - shift);
    const double factor = sum == 0.0 ? 0.0 : 1.0 / sum;
    for (int64_t c = 0; c < width; ++c) {
      y[c] = static_cast<float>(std::exp(static_cast<double>(x[c]) - shift) * factor);
    }
  }
}

}  // namespace heed::kernels::ref
