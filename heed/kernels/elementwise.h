#pragma once

#include <cstdint>

namespace heed::kernels {

/// y[i] = a[i] + b[i] for i < n; y may be a or b. Exact (one rounding).
void add(const float* a, const float* b, float* y, int64_t n);

/// y[i] = a[i] * b[i] for i < n; y may be a or b. Exact (one rounding).
void multiply(const float* a, const float* b, float* y, int64_t n);

/// y[i] = a[i] * factor; y may be a. Exact (one rounding).
void scale(const float* a, float factor, float* y, int64_t n);

/// f32 from the bits of bfloat16 or of IEEE binary16, exactly.
void widen_bf16(const uint16_t* x, float* y, int64_t n);
void widen_f16(const uint16_t* x, float* y, int64_t n);

namespace ref {
void add(const float* a, const float* b, float* y, int64_t n);
void multiply(const float* a, const float* b, float* y, int64_t n);
void scale(const float* a, float factor, float* y, int64_t n);
void widen_bf16(const uint16_t* x, float* y, int64_t n);
void widen_f16(const uint16_t* x, float* y, int64_t n);
}  // namespace ref

}  // namespace heed::kernels
