#include "heed/kernels/optimizer.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "heed/kernels/cpu/optimizer.cc"
#include "heed/kernels/cpu/targets.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// after foreach_target.h
#include "heed/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

using Doubles = hn::ScalableTag<double>;
using DoubleVector = hn::Vec<Doubles>;
using Halves = hn::Rebind<float, Doubles>;  // as many f32 as a vector of f64 has lanes
constexpr int64_t kDoubleLanes = hn::MaxLanes(Doubles());
constexpr int64_t kSumLanes = 16;  // of ref/optimizer.cc
constexpr int64_t kSums = kSumLanes / kDoubleLanes;

/// factor g + l2 w, rounded three times as the reference rounds it.
HWY_INLINE FloatVector decayed(FloatVector factor, FloatVector g, FloatVector l2, FloatVector w) {
  return hn::Add(hn::Mul(factor, g), hn::Mul(l2, w));
}

/// What the reference's LaneSum gives for its lanes.
HWY_INLINE double join(double (&lanes)[kSumLanes]) {
  for (int64_t half = kSumLanes / 2; half > 0; half /= 2) {
    for (int64_t i = 0; i < half; ++i) lanes[i] += lanes[i + half];
  }
  return lanes[0];
}

/// The sum of f over [0, n) in the reference's lanes: f.vector(i) gives kDoubleLanes numbers from i
/// on, f.number(i) one.
template <class F>
HWY_INLINE double lane_sum(int64_t n, const F& f) {
  const Doubles d;
  DoubleVector sums[kSums];
  HEED_UNROLL
  for (int64_t j = 0; j < kSums; ++j) sums[j] = hn::Zero(d);
  int64_t i = 0;
  for (; i + kSumLanes <= n; i += kSumLanes) {
    HEED_UNROLL
    for (int64_t j = 0; j < kSums; ++j) {
      sums[j] = hn::Add(sums[j], f.vector(i + j * kDoubleLanes));
    }
  }
  HWY_ALIGN double lanes[kSumLanes];
  for (int64_t j = 0; j < kSums; ++j) hn::Store(sums[j], d, lanes + j * kDoubleLanes);
  for (int64_t lane = 0; i < n; ++i, ++lane) lanes[lane] += f.number(i);
  return join(lanes);
}

struct ScaledSquares {
  const float* x;
  const float* y;
  float factor;

  HWY_INLINE DoubleVector vector(int64_t i) const {
    const Halves d;
    auto product = hn::Mul(hn::Set(d, factor), hn::LoadU(d, x + i));
    if (y != nullptr) product = hn::Mul(product, hn::LoadU(d, y + i));
    const DoubleVector wide = hn::PromoteTo(Doubles(), product);
    return hn::Mul(wide, wide);
  }
  HWY_INLINE double number(int64_t i) const {
    const double product = factor * x[i] * (y == nullptr ? 1.0F : y[i]);
    return product * product;
  }
};

struct AddedSquares {
  const float* g;
  float factor, epsilon;
  double* column_sums;

  HWY_INLINE DoubleVector vector(int64_t i) const {
    const Halves d;
    const auto gradient = hn::Mul(hn::Set(d, factor), hn::LoadU(d, g + i));
    const auto square = hn::Add(hn::Mul(gradient, gradient), hn::Set(d, epsilon));
    const Doubles wide;
    const DoubleVector result = hn::PromoteTo(wide, square);
    hn::StoreU(hn::Add(hn::LoadU(wide, column_sums + i), result), wide, column_sums + i);
    return result;
  }
  HWY_INLINE double number(int64_t i) const {
    const float gradient = factor * g[i];
    const float square = gradient * gradient + epsilon;
    column_sums[i] += square;
    return square;
  }
};

}  // namespace

void adam(const AdamStep& step, float* w, const float* g, float* m, float* v, int64_t n) {
  const Floats d;
  const FloatVector factor = hn::Set(d, step.gradient_factor), l2 = hn::Set(d, step.l2);
  const FloatVector decay = hn::Set(d, step.decay);
  const FloatVector new1 = hn::Set(d, step.one_minus_beta1);
  const FloatVector beta2 = hn::Set(d, step.beta2), new2 = hn::Set(d, step.one_minus_beta2);
  const FloatVector size = hn::Set(d, step.step_size);
  const FloatVector inverse_root = hn::Set(d, step.inverse_root);
  const FloatVector epsilon = hn::Set(d, step.epsilon);
  for_vectors(n, [&](int64_t i, int64_t lanes) HWY_ATTR {
    const FloatVector weight = load(d, w + i, lanes);
    const FloatVector gradient = decayed(factor, load(d, g + i, lanes), l2, weight);
    FloatVector first = load(d, m + i, lanes);
    first = hn::Add(first, hn::Mul(new1, hn::Sub(gradient, first)));
    const FloatVector second =
        hn::Add(hn::Mul(beta2, load(d, v + i, lanes)), hn::Mul(hn::Mul(new2, gradient), gradient));
    const FloatVector root = hn::Add(hn::Mul(hn::Sqrt(second), inverse_root), epsilon);
    const FloatVector update = hn::Div(hn::Mul(size, first), root);
    store(d, first, m + i, lanes);
    store(d, second, v + i, lanes);
    store(d, hn::Sub(hn::Mul(decay, weight), update), w + i, lanes);
  });
}

void sgd(const SgdStep& step, float* w, const float* g, float* buffer, int64_t n) {
  const Floats d;
  const FloatVector factor = hn::Set(d, step.gradient_factor), l2 = hn::Set(d, step.l2);
  const FloatVector rate = hn::Set(d, step.rate), momentum = hn::Set(d, step.momentum);
  for_vectors(n, [&](int64_t i, int64_t lanes) HWY_ATTR {
    const FloatVector weight = load(d, w + i, lanes);
    const FloatVector gradient = decayed(factor, load(d, g + i, lanes), l2, weight);
    FloatVector direction = gradient;
    if (buffer != nullptr) {
      const FloatVector b = hn::Add(hn::Mul(momentum, load(d, buffer + i, lanes)), gradient);
      store(d, b, buffer + i, lanes);
      direction = step.nesterov ? hn::Add(gradient, hn::Mul(momentum, b)) : b;
    }
    store(d, hn::Sub(weight, hn::Mul(rate, direction)), w + i, lanes);
  });
}

void lion(const LionStep& step, float* w, const float* g, float* m, int64_t n) {
  const Floats d;
  const FloatVector factor = hn::Set(d, step.gradient_factor), decay = hn::Set(d, step.decay);
  const FloatVector rate = hn::Set(d, step.rate), zero = hn::Zero(d);
  const FloatVector beta1 = hn::Set(d, step.beta1), new1 = hn::Set(d, step.one_minus_beta1);
  const FloatVector beta2 = hn::Set(d, step.beta2), new2 = hn::Set(d, step.one_minus_beta2);
  for_vectors(n, [&](int64_t i, int64_t lanes) HWY_ATTR {
    const FloatVector gradient = hn::Mul(factor, load(d, g + i, lanes));
    const FloatVector old = load(d, m + i, lanes);
    const FloatVector mixed = hn::Add(hn::Mul(beta1, old), hn::Mul(new1, gradient));
    const FloatVector move = hn::IfThenElseZero(hn::Ne(mixed, zero), hn::CopySign(rate, mixed));
    store(d, hn::Sub(hn::Mul(decay, load(d, w + i, lanes)), move), w + i, lanes);
    store(d, hn::Add(hn::Mul(beta2, old), hn::Mul(new2, gradient)), m + i, lanes);
  });
}

double sum_squares(const float* x, const float* y, float factor, int64_t n) {
  return lane_sum(n, ScaledSquares{x, y, factor});
}

double adafactor_squares(const float* g, float factor, float epsilon, double* column_sums,
                         int64_t n) {
  return lane_sum(n, AddedSquares{g, factor, epsilon, column_sums});
}

void adafactor(const AdafactorStep& step, float* w, const float* g, const float* column_factors,
               float* m, int64_t n) {
  const Floats d;
  const FloatVector row = hn::Set(d, step.row_factor), decay = hn::Set(d, step.decay);
  const FloatVector beta1 = hn::Set(d, step.beta1), new1 = hn::Set(d, step.one_minus_beta1);
  for_vectors(n, [&](int64_t i, int64_t lanes) HWY_ATTR {
    const FloatVector column = load(d, column_factors + i, lanes);
    FloatVector update = hn::Mul(hn::Mul(row, column), load(d, g + i, lanes));
    if (m != nullptr) {
      update = hn::Add(hn::Mul(beta1, load(d, m + i, lanes)), hn::Mul(new1, update));
      store(d, update, m + i, lanes);
    }
    const FloatVector weight = load(d, w + i, lanes);
    store(d, hn::Sub(hn::Sub(weight, hn::Mul(decay, weight)), update), w + i, lanes);
  });
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace heed::kernels {

void adam(const AdamStep& step, float* w, const float* g, float* m, float* v, int64_t n) {
  if (active_isa() == Isa::reference) return ref::adam(step, w, g, m, v, n);
  HEED_DISPATCH(adam)(step, w, g, m, v, n);
}

void sgd(const SgdStep& step, float* w, const float* g, float* buffer, int64_t n) {
  if (active_isa() == Isa::reference) return ref::sgd(step, w, g, buffer, n);
  HEED_DISPATCH(sgd)(step, w, g, buffer, n);
}

void lion(const LionStep& step, float* w, const float* g, float* m, int64_t n) {
  if (active_isa() == Isa::reference) return ref::lion(step, w, g, m, n);
  HEED_DISPATCH(lion)(step, w, g, m, n);
}

double sum_squares(const float* x, const float* y, float factor, int64_t n) {
  if (active_isa() == Isa::reference) return ref::sum_squares(x, y, factor, n);
  return HEED_DISPATCH(sum_squares)(x, y, factor, n);
}

double adafactor_squares(const float* g, float factor, float epsilon, double* column_sums,
                         int64_t n) {
  if (active_isa() == Isa::reference) {
    return ref::adafactor_squares(g, factor, epsilon, column_sums, n);
  }
  return HEED_DISPATCH(adafactor_squares)(g, factor, epsilon, column_sums, n);
}

void adafactor(const AdafactorStep& step, float* w, const float* g, const float* column_factors,
               float* m, int64_t n) {
  if (active_isa() == Isa::reference) return ref::adafactor(step, w, g, column_factors, m, n);
  HEED_DISPATCH(adafactor)(step, w, g, column_factors, m, n);
}

}  // namespace heed::kernels
#endif
