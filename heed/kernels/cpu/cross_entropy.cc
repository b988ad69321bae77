#include "heed/kernels/cross_entropy.h"

#include <algorithm>
#include <cmath>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "heed/kernels/cpu/cross_entropy.cc"
#include "heed/kernels/cpu/targets.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// after foreach_target.h
#include "heed/kernels/cpu/exp-inl.h"
#include "heed/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

constexpr float kLowest = -std::numeric_limits<float>::infinity();

float largest(const float* x, int64_t n) {
  const Floats d;
  FloatVector most = hn::Set(d, kLowest);
  for_vectors(n, [&](int64_t i, int64_t lanes)
                     HWY_ATTR { most = hn::Max(most, load(d, x + i, lanes, kLowest)); });
  return hn::GetLane(hn::MaxOfLanes(d, most));
}

/// sum_j e^(x_j - most), each term kept in `terms` where there is such a place.
float sum_of_powers(const float* x, int64_t n, float most, float* terms) {
  const Floats d;
  const FloatVector shift = hn::Set(d, most);
  return sum_vectors(n, [&](int64_t i, int64_t lanes) HWY_ATTR {
    const FloatVector term = exp_of_negative(d, hn::Sub(load(d, x + i, lanes, kLowest), shift));
    if (terms != nullptr) store(d, term, terms + i, lanes);
    return term;
  });
}

/// sum_j (x_j - most).
float sum_below(const float* x, int64_t n, float most) {
  const Floats d;
  const FloatVector shift = hn::Set(d, most);
  return sum_vectors(n, [&](int64_t i, int64_t lanes)
                            HWY_ATTR { return hn::Sub(load(d, x + i, lanes, most), shift); });
}

}  // namespace

double cross_entropy(const CrossEntropyRow& row) {
  const Floats d;
  const double smoothing = row.smoothing, classes = static_cast<double>(row.n);
  const float most = largest(row.logits, row.n);
  const double target = double{row.logits[row.target]} - most;
  const double below = smoothing > 0.0 ? sum_below(row.logits, row.n, most) : 0.0;
  const double sum = sum_of_powers(row.logits, row.n, most, row.gradient);
  if (row.gradient != nullptr) {
    const FloatVector scale = hn::Set(d, static_cast<float>(row.factor / sum));
    const FloatVector even = hn::Set(d, static_cast<float>(-row.factor * smoothing / classes));
    map(row.gradient, row.gradient, row.n,
        [&](FloatVector e) HWY_ATTR { return hn::MulAdd(e, scale, even); });
    row.gradient[row.target] -= row.factor * (1.0f - row.smoothing);
  }
  return std::log(sum) - (1.0 - smoothing) * target - smoothing * below / classes;
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace heed::kernels {

double cross_entropy(const CrossEntropyRow& row) {
  if (active_isa() == Isa::reference) return ref::cross_entropy(row);
  return HEED_DISPATCH(cross_entropy)(row);
}

}  // namespace heed::kernels
#endif
