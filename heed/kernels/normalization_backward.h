#pragma once

#include <cstdint>

namespace heed::kernels {

/// Gradients of rows of width C, contiguous.
struct NormRowsBackward {
  const float* x;   // [rows, C]: what was normalised, the residual added
  const float* dy;  // [rows, C]
  const float* gain;
  float epsilon;
  float* dx = nullptr;     // [rows, C]; may be dy; absent: not wanted
  float* dgain = nullptr;  // [C]: the rows' sum is added to it, row by row; absent: not wanted
  float* dbias = nullptr;  // [C], likewise (layer_norm only)
  int64_t rows;
  int64_t width;
};

/// Of y = h gain + bias, h = (x - mean) / s, s = sqrt(variance + epsilon), with g = dy gain:
///   dx = (g - mean(g) - h mean(g h)) / s,  dgain = sum over rows of dy h,  dbias = sum of dy
/// (Ba et al., 2016; docs/math/backward.md). Mean and s are computed again from x, which costs less
/// than reading them would save. No scratch, no threads; a row's dx depends on that row alone.
/// Error of dx, with eps = 2^-24, at most
/// (C / 8 + 16) eps (2 + |h|) (1 + 6 max |x| / s) max |g| / s; of a row's part of dgain at most
/// |dy| (C / 8 + 16) eps (|h| + 3 max |x| / s), and a rounding for each row added.
void layer_norm_backward(const NormRowsBackward& rows);

/// Of y = h gain, h = x / s, s = sqrt(mean(x^2) + epsilon): dx = (g - h mean(g h)) / s, dgain as
/// above. Errors as above without the terms in max |x| / s.
void rms_norm_backward(const NormRowsBackward& rows);

/// Of y = softmax(x): dx = y (dy - sum(dy y)) of each row; dx may be dy. Error of dx at most
/// (C / 8 + 8) eps y (|dy| + sum(|dy| y)).
void softmax_backward(const float* y, const float* dy, float* dx, int64_t rows, int64_t width);

namespace ref {
void layer_norm_backward(const NormRowsBackward& rows);
void rms_norm_backward(const NormRowsBackward& rows);
void softmax_backward(const float* y, const float* dy, float* dx, int64_t rows, int64_t width);
}  // namespace ref

}  // namespace heed::kernels
