#include "heed/kernels/recurrent.h"

#include <cmath>

namespace heed::kernels::ref {
namespace {

double sigmoid(double x) { return 1.0 / (1.0 + std::exp(-x)); }

}  // namespace

void lstm(const LstmRows& rows) {
  const int64_t units = rows.units;
  for (int64_t r = 0; r < rows.rows; ++r) {
    const float* z = rows.z + 4 * r * units;
    float* gates = rows.gates + 4 * r * units;
    for (int64_t j = 0; j < units; ++j) {
      const double i = sigmoid(z[j]);
      const double f = sigmoid(z[units + j]);
      const double g = std::tanh(static_cast<double>(z[2 * units + j]));
      const double o = sigmoid(z[3 * units + j]);
      const double c = f * rows.c[r * units + j] + i * g;
      gates[j] = static_cast<float>(i);
      gates[units + j] = static_cast<float>(f);
      gates[2 * units + j] = static_cast<float>(g);
      gates[3 * units + j] = static_cast<float>(o);
      rows.c_next[r * units + j] = static_cast<float>(c);
      rows.h_next[r * units + j] = static_cast<float>(o * std::tanh(c));
    }
  }
}

void lstm_backward(const LstmRowsBackward& rows) {
  const int64_t units = rows.units;
  for (int64_t r = 0; r < rows.rows; ++r) {
    const float* gates = rows.gates + 4 * r * units;
    float* dz = rows.dz + 4 * r * units;
    for (int64_t j = 0; j < units; ++j) {
      const int64_t at = r * units + j;
      const double i = gates[j];
      const double f = gates[units + j];
      const double g = gates[2 * units + j];
      const double o = gates[3 * units + j];
      const double t = std::tanh(static_cast<double>(rows.c_next[at]));
      const double dh = rows.dh_next[at];
      const double e = rows.dc_next[at] + dh * o * (1 - t * t);
      dz[j] = static_cast<float>(e * g * i * (1 - i));
      dz[units + j] = static_cast<float>(e * rows.c[at] * f * (1 - f));
      dz[2 * units + j] = static_cast<float>(e * i * (1 - g * g));
      dz[3 * units + j] = static_cast<float>(dh * t * o * (1 - o));
      rows.dc[at] = static_cast<float>(e * f);
    }
  }
}

void gru(const GruRows& rows) {
  const int64_t units = rows.units;
  for (int64_t row = 0; row < rows.rows; ++row) {
    const float* x = rows.x + 3 * row * units;
    const float* s = rows.s + 3 * row * units;
    float* gates = rows.gates + 3 * row * units;
    for (int64_t j = 0; j < units; ++j) {
      const double r = sigmoid(static_cast<double>(x[j]) + s[j]);
      const double u = sigmoid(static_cast<double>(x[units + j]) + s[units + j]);
      const double n = std::tanh(x[2 * units + j] + r * s[2 * units + j]);
      gates[j] = static_cast<float>(r);
      gates[units + j] = static_cast<float>(u);
      gates[2 * units + j] = static_cast<float>(n);
      rows.h_next[row * units + j] = static_cast<float>(n + u * (rows.h[row * units + j] - n));
    }
  }
}

void gru_backward(const GruRowsBackward& rows) {
  const int64_t units = rows.units;
  for (int64_t row = 0; row < rows.rows; ++row) {
    const float* gates = rows.gates + 3 * row * units;
    float* dx = rows.dx + 3 * row * units;
    float* ds = rows.ds + 3 * row * units;
    for (int64_t j = 0; j < units; ++j) {
      const int64_t at = row * units + j;
      const double r = gates[j];
      const double u = gates[units + j];
      const double n = gates[2 * units + j];
      const double dh = rows.dh_next[at];
      const double a = dh * (1 - u) * (1 - n * n);
      dx[j] = static_cast<float>(a * rows.s[(3 * row + 2) * units + j] * r * (1 - r));
      dx[units + j] = static_cast<float>(dh * (rows.h[at] - n) * u * (1 - u));
      dx[2 * units + j] = static_cast<float>(a);
      ds[j] = dx[j];
      ds[units + j] = dx[units + j];
      ds[2 * units + j] = static_cast<float>(a * r);
      rows.dh[at] = static_cast<float>(dh * u);
    }
  }
}

}  // namespace heed::kernels::ref
