#pragma once

#include <cstdint>

namespace heed::kernels {

/// Rows of width C, contiguous: x [rows, C] -> y [rows, C]; y may be x (or residual).
struct NormRows {
  const float* x;
  const float* residual = nullptr;  // added to x first; [rows, C] or absent (layer_norm only)
  float* sum = nullptr;             // x + residual, [rows, C], if wanted
  const float* gain;                // [C]
  const float* bias = nullptr;      // [C] or absent (layer_norm only)
  float epsilon;
  float* y;
  int64_t rows;
  int64_t width;
};

/// y = (z - mean(z)) / sqrt(variance(z) + epsilon) * gain + bias, z = x + residual, biased
/// variance. Two passes over a row in cache: the mean, then the centred squares, so that a large
/// common offset cancels before it is squared. No scratch, no threads. A row's bits depend on that
/// row alone. Error of an output, with eps = 2^-24 and spread = sqrt(variance + epsilon): at
/// most (C / 8 + 16) eps |gain| (|z - mean| + 2 max |z|) / spread + 4 eps |bias|.
void layer_norm(const NormRows& rows);

/// y = x / sqrt(mean(x^2) + epsilon) * gain.
void rms_norm(const NormRows& rows);

/// Softmax of each row, x [rows, width] -> y; y may be x. The maximum is subtracted first, so no
/// finite input overflows; a row of only -inf gives zeros; a row with NaN or +inf gives NaN.
void softmax(const float* x, float* y, int64_t rows, int64_t width);

namespace ref {
void layer_norm(const NormRows& rows);
void rms_norm(const NormRows& rows);
void softmax(const float* x, float* y, int64_t rows, int64_t width);
}  // namespace ref

}  // namespace heed::kernels
