#include "heed/kernels/normalization.h"

#include <cmath>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "heed/kernels/cpu/normalization.cc"
#include "heed/kernels/cpu/targets.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// after foreach_target.h
#include "heed/kernels/cpu/exp-inl.h"
#include "heed/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

/// y[c] = f(z[c], gain[c], bias[c]), the bias 0 where it is absent.
template <class F>
HWY_INLINE void map_row(const NormRows& rows, const float* z, float* y, const F& f) {
  const Floats d;
  for_vectors(rows.width, [&](int64_t c, int64_t n) HWY_ATTR {
    const FloatVector bias = rows.bias == nullptr ? hn::Zero(d) : load(d, rows.bias + c, n);
    store(d, f(load(d, z + c, n), load(d, rows.gain + c, n), bias), y + c, n);
  });
}

/// Sum of a row's z = x + residual.
HWY_INLINE float add_and_sum(const float* x, const float* residual, float* z, int64_t width) {
  const Floats d;
  return sum_vectors(width, [&](int64_t c, int64_t n) HWY_ATTR {
    const FloatVector sum = hn::Add(load(d, x + c, n), load(d, residual + c, n));
    store(d, sum, z + c, n);
    return sum;
  });
}

HWY_INLINE float sum(const float* x, int64_t width) {
  const Floats d;
  return sum_vectors(width, [&](int64_t c, int64_t n) HWY_ATTR { return load(d, x + c, n); });
}

/// sum_c (x[c] - centre)^2
HWY_INLINE float sum_squares(const float* x, int64_t width, float centre) {
  const Floats d;
  const FloatVector from = hn::Set(d, centre);
  return sum_vectors(width, [&](int64_t c, int64_t n) HWY_ATTR {
    const FloatVector off = hn::Sub(load(d, x + c, n, centre), from);
    return hn::Mul(off, off);
  });
}

HWY_INLINE float max_of(const float* x, int64_t width) {
  constexpr float kHidden = -std::numeric_limits<float>::infinity();
  const Floats d;
  FloatVector highest = hn::Set(d, kHidden);
  for_vectors(width, [&](int64_t c, int64_t n)
                         HWY_ATTR { highest = hn::Max(highest, load(d, x + c, n, kHidden)); });
  return hn::GetLane(hn::MaxOfLanes(d, highest));
}

}  // namespace

void layer_norm(const NormRows& rows) {
  const Floats d;
  const float count = static_cast<float>(rows.width);
  for (int64_t r = 0; r < rows.rows; ++r) {
    const float* x = rows.x + r * rows.width;
    float* y = rows.y + r * rows.width;
    float* both = rows.sum == nullptr ? y : rows.sum + r * rows.width;
    const float total = rows.residual == nullptr
                            ? sum(x, rows.width)
                            : add_and_sum(x, rows.residual + r * rows.width, both, rows.width);
    const float* z = rows.residual == nullptr ? x : both;
    const float mean = total / count;
    const float variance = sum_squares(z, rows.width, mean) / count;
    const FloatVector centre = hn::Set(d, mean);
    const FloatVector inverse = hn::Set(d, 1.0f / std::sqrt(variance + rows.epsilon));
    map_row(rows, z, y, [&](FloatVector v, FloatVector gain, FloatVector bias) HWY_ATTR {
      return hn::MulAdd(hn::Mul(hn::Sub(v, centre), inverse), gain, bias);
    });
  }
}

void rms_norm(const NormRows& rows) {
  const Floats d;
  for (int64_t r = 0; r < rows.rows; ++r) {
    const float* x = rows.x + r * rows.width;
    const float mean = sum_squares(x, rows.width, 0.0f) / static_cast<float>(rows.width);
    const FloatVector inverse = hn::Set(d, 1.0f / std::sqrt(mean + rows.epsilon));
    map_row(rows, x, rows.y + r * rows.width,
            [&](FloatVector v, FloatVector gain, FloatVector)
                HWY_ATTR { return hn::Mul(hn::Mul(v, inverse), gain); });
  }
}

void softmax(const float* x, float* y, int64_t rows, int64_t width) {
  const Floats d;
  for (int64_t r = 0; r < rows; ++r, x += width, y += width) {
    const float maximum = max_of(x, width);
    const bool visible = maximum != -std::numeric_limits<float>::infinity();
    const FloatVector shift = hn::Set(d, visible ? maximum : 0.0f);
    const float total = sum_vectors(width, [&](int64_t c, int64_t n) HWY_ATTR {
      const float hidden = -std::numeric_limits<float>::infinity();
      const FloatVector e = exp_of_negative(d, hn::Sub(load(d, x + c, n, hidden), shift));
      store(d, e, y + c, n);
      return e;
    });
    const FloatVector factor = hn::Set(d, total == 0.0f ? 0.0f : 1.0f / total);
    map(y, y, width, [&](FloatVector v) HWY_ATTR { return hn::Mul(v, factor); });
  }
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace heed::kernels {

void layer_norm(const NormRows& rows) {
  if (active_isa() == Isa::reference) return ref::layer_norm(rows);
  HEED_DISPATCH(layer_norm)(rows);
}

void rms_norm(const NormRows& rows) {
  if (active_isa() == Isa::reference) return ref::rms_norm(rows);
  HEED_DISPATCH(rms_norm)(rows);
}

void softmax(const float* x, float* y, int64_t rows, int64_t width) {
  if (active_isa() == Isa::reference) return ref::softmax(x, y, rows, width);
  HEED_DISPATCH(softmax)(x, y, rows, width);
}

}  // namespace heed::kernels
#endif
