#include "heed/kernels/normalization_backward.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "heed/kernels/cpu/normalization_backward.cc"
#include "heed/kernels/cpu/targets.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// after foreach_target.h
#include "heed/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

/// h = (x - centre) inverse of a row, a vector at a time.
struct Normalized {
  const float* x;
  FloatVector centre;
  FloatVector inverse;

  HWY_INLINE FloatVector at(Floats d, int64_t c, int64_t n) const {
    return hn::Mul(hn::Sub(load(d, x + c, n), centre), inverse);
  }
};

template <bool kCentred>
HWY_INLINE Normalized normalized(Floats d, const float* x, int64_t width, float epsilon) {
  const auto count = static_cast<float>(width);
  float mean = 0.0f;
  if constexpr (kCentred) {
    mean = sum_vectors(width, [&](int64_t c, int64_t n) HWY_ATTR { return load(d, x + c, n); }) /
           count;
  }
  const FloatVector centre = hn::Set(d, mean);
  const float squares = sum_vectors(width, [&](int64_t c, int64_t n) HWY_ATTR {
    const FloatVector off = hn::Sub(load(d, x + c, n, mean), centre);
    return hn::Mul(off, off);
  });
  return {x, centre, hn::Set(d, 1.0f / std::sqrt(squares / count + epsilon))};
}

HWY_INLINE void add_to(Floats d, float* sum, FloatVector v, int64_t n) {
  store(d, hn::Add(load(d, sum, n), v), sum, n);
}

template <bool kCentred>
HWY_INLINE void norm_row_backward(const NormRowsBackward& rows, int64_t r) {
  const Floats d;
  const float* dy = rows.dy + r * rows.width;
  const Normalized h = normalized<kCentred>(d, rows.x + r * rows.width, rows.width, rows.epsilon);
  FloatVector sum_g = hn::Zero(d);
  FloatVector sum_gh = hn::Zero(d);
  if (rows.dx != nullptr) {
    for_vectors(rows.width, [&](int64_t c, int64_t n) HWY_ATTR {
      const FloatVector g = hn::Mul(load(d, dy + c, n), load(d, rows.gain + c, n));
      if constexpr (kCentred) sum_g = hn::Add(sum_g, g);
      sum_gh = hn::MulAdd(g, h.at(d, c, n), sum_gh);
    });
  }
  const FloatVector share = hn::Set(d, 1.0f / static_cast<float>(rows.width));
  const FloatVector mean_g = hn::Mul(hn::SumOfLanes(d, sum_g), share);
  const FloatVector mean_gh = hn::Mul(hn::SumOfLanes(d, sum_gh), share);
  for_vectors(rows.width, [&](int64_t c, int64_t n) HWY_ATTR {
    const FloatVector at_c = h.at(d, c, n);
    const FloatVector dy_c = load(d, dy + c, n);
    if (rows.dgain != nullptr) add_to(d, rows.dgain + c, hn::Mul(dy_c, at_c), n);
    if constexpr (kCentred) {
      if (rows.dbias != nullptr) add_to(d, rows.dbias + c, dy_c, n);
    }
    if (rows.dx == nullptr) return;
    const FloatVector g = hn::Mul(dy_c, load(d, rows.gain + c, n));
    const FloatVector off = hn::NegMulAdd(at_c, mean_gh, hn::Sub(g, mean_g));
    store(d, hn::Mul(off, h.inverse), rows.dx + r * rows.width + c, n);
  });
}

}  // namespace

void layer_norm_backward(const NormRowsBackward& rows) {
  for (int64_t r = 0; r < rows.rows; ++r) norm_row_backward<true>(rows, r);
}

void rms_norm_backward(const NormRowsBackward& rows) {
  for (int64_t r = 0; r < rows.rows; ++r) norm_row_backward<false>(rows, r);
}

void softmax_backward(const float* y, const float* dy, float* dx, int64_t rows, int64_t width) {
  const Floats d;
  for (int64_t r = 0; r < rows; ++r, y += width, dy += width, dx += width) {
    const FloatVector sum = hn::Set(d, sum_vectors(width, [&](int64_t c, int64_t n) HWY_ATTR {
                                      return hn::Mul(load(d, y + c, n), load(d, dy + c, n));
                                    }));
    for_vectors(width, [&](int64_t c, int64_t n) HWY_ATTR {
      const FloatVector off = hn::Sub(load(d, dy + c, n), sum);
      store(d, hn::Mul(load(d, y + c, n), off), dx + c, n);
    });
  }
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace heed::kernels {

void layer_norm_backward(const NormRowsBackward& rows) {
  if (active_isa() == Isa::reference) return ref::layer_norm_backward(rows);
  HEED_DISPATCH(layer_norm_backward)(rows);
}

void rms_norm_backward(const NormRowsBackward& rows) {
  if (active_isa() == Isa::reference) return ref::rms_norm_backward(rows);
  HEED_DISPATCH(rms_norm_backward)(rows);
}

void softmax_backward(const float* y, const float* dy, float* dx, int64_t rows, int64_t width) {
  if (active_isa() == Isa::reference) return ref::softmax_backward(y, dy, dx, rows, width);
  HEED_DISPATCH(softmax_backward)(y, dy, dx, rows, width);
}

}  // namespace heed::kernels
#endif
