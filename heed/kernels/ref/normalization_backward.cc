#include "heed/kernels/normalization_backward.h"

#include <cmath>

namespace heed::kernels::ref {
namespace {

void norm_backward(const NormRowsBackward& rows, bool centred) {
  const int64_t width = rows.width;
  const auto count = static_cast<double>(width);
  for (int64_t r = 0; r < rows.rows; ++r) {
    const float* x = rows.x + r * width;
    const float* dy = rows.dy + r * width;
    double mean = 0.0;
    for (int64_t c = 0; centred && c < width; ++c) mean += x[c] / count;
    double variance = 0.0;
    for (int64_t c = 0; c < width; ++c) variance += (x[c] - mean) * (x[c] - mean) / count;
    const double inverse = 1.0 / std::sqrt(variance + rows.epsilon);
    const auto h = [&](int64_t c) { return (x[c] - mean) * inverse; };
    const auto g = [&](int64_t c) { return static_cast<double>(dy[c]) * rows.gain[c]; };
    double mean_g = 0.0;
    double mean_gh = 0.0;
    for (int64_t c = 0; c < width; ++c) {
      if (centred) mean_g += g(c) / count;
      mean_gh += g(c) * h(c) / count;
    }
    for (int64_t c = 0; c < width; ++c) {
      const double dx = (g(c) - mean_g - h(c) * mean_gh) * inverse;
      if (rows.dgain != nullptr) rows.dgain[c] += static_cast<float>(dy[c] * h(c));
      if (rows.dbias != nullptr) rows.dbias[c] += dy[c];
      if (rows.dx != nullptr) rows.dx[r * width + c] = static_cast<float>(dx);
    }
  }
}

}  // namespace

void layer_norm_backward(const NormRowsBackward& rows) { norm_backward(rows, true); }

void rms_norm_backward(const NormRowsBackward& rows) { norm_backward(rows, false); }

void softmax_backward(const float* y, const float* dy, float* dx, int64_t rows, int64_t width) {
  for (int64_t r = 0; r < rows; ++r, y += width, dy += width, dx += width) {
    double sum = 0.0;
    for (int64_t c = 0; c < width; ++c) sum += static_cast<double>(dy[c]) * y[c];
    for (int64_t c = 0; c < width; ++c) dx[c] = static_cast<float>(y[c] * (dy[c] - sum));
  }
}

}  // namespace heed::kernels::ref
