// A row of scores, keys in lanes: what changes it between the product and the softmax, in backward.
// Included once for each Highway target.
#if defined(HEED_KERNELS_CPU_ATTENTION_BACKWARD_ROW_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_ATTENTION_BACKWARD_ROW_INL_H_
#undef HEED_KERNELS_CPU_ATTENTION_BACKWARD_ROW_INL_H_
#else
#define HEED_KERNELS_CPU_ATTENTION_BACKWARD_ROW_INL_H_
#endif

#include <algorithm>
#include <cstdint>

#include "heed/kernels/attention_backward.h"
#include "heed/kernels/cpu/activation-inl.h"
#include "heed/kernels/cpu/attention_tile-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace backward {

using fused::kHidden;
using Vector = FloatVector;

/// Neighbouring keys of one query, one a lane.
struct Lanes {
  const AttentionProblem& problem;
  int64_t b, h, t;
  int64_t first;  // key
  int64_t n;      // keys that exist, at most kLanes
};

/// staged(i) for i < n, 0 in the other lanes: for strides that no vector load serves.
template <class F>
HWY_INLINE Vector gather(int64_t n, const F& staged) {
  const Floats f;
  HWY_ALIGN float lanes[kLanes] = {};
  for (int64_t i = 0; i < n; ++i) lanes[i] = staged(i);
  return hn::Load(f, lanes);
}

/// Scores with an additive mask; where it is -inf the score is hidden whatever it was.
HWY_INLINE Vector add_bias(const Lanes& at, const AttentionMask& mask, Vector scores) {
  const Floats f;
  const float* from = mask.bias + mask.offset(at.b, at.h, at.t, at.first);
  Vector bias;
  if (mask.key == 1) {
    bias = load(f, from, at.n);
  } else if (mask.key == 0) {
    bias = hn::Set(f, *from);
  } else {
    bias = gather(at.n, [&](int64_t i) { return from[i * mask.key]; });
  }
  const Vector hidden = hn::Set(f, kHidden);
  return hn::IfThenElse(hn::Eq(bias, hidden), hidden, hn::Add(scores, bias));
}

/// Scores with a boolean mask.
HWY_INLINE Vector keep_visible(const Lanes& at, const AttentionMask& mask, Vector scores) {
  const Floats f;
  const hn::Rebind<uint8_t, Floats> byte;
  const hn::Rebind<uint32_t, Floats> word;
  const bool* from = mask.visible + mask.offset(at.b, at.h, at.t, at.first);
  const Vector hidden = hn::Set(f, kHidden);
  if (mask.key == 0) return *from ? scores : hidden;
  if (mask.key == 1 && at.n == kLanes) {
    const auto bytes = hn::LoadU(byte, reinterpret_cast<const uint8_t*>(from));
    const auto words = hn::PromoteTo(word, bytes);
    return hn::IfThenElse(hn::RebindMask(f, hn::Eq(words, hn::Zero(word))), hidden, scores);
  }
  const Vector seen = gather(at.n, [&](int64_t i) { return from[i * mask.key] ? 1.0F : 0.0F; });
  return hn::IfThenElse(hn::Eq(seen, hn::Zero(f)), hidden, scores);
}

/// The bias by distance: the keys' distances fall along the lanes.
HWY_INLINE Vector distance_bias(const Lanes& at) {
  const Floats f;
  const int64_t distance = at.problem.position(at.b, at.t) - at.first;
  const DistanceBias& bias = at.problem.distance;
  const float* from = bias.data + at.h * bias.head + distance - bias.first;
  if (at.n == kLanes) return hn::Reverse(f, hn::LoadU(f, from - (kLanes - 1)));
  return gather(at.n, [&](int64_t i) { return from[-i]; });
}

/// Whether anything but a query's range changes scores.
HWY_INLINE bool changes_scores(const AttentionProblem& problem) {
  return problem.softcap != 0 || problem.distance.data != nullptr || !problem.masks.empty();
}

/// Applies softcap, biases and masks; slope becomes softcap's derivative.
HWY_INLINE Vector change_scores(const Lanes& at, Vector scores, Vector& slope) {
  const Floats f;
  const AttentionProblem& problem = at.problem;
  if (problem.softcap != 0) {
    const Vector capped = tanh(f, hn::Mul(scores, hn::Set(f, 1.0F / problem.softcap)));
    slope = hn::NegMulAdd(capped, capped, hn::Set(f, 1.0F));
    scores = hn::Mul(hn::Set(f, problem.softcap), capped);
  }
  if (problem.distance.data != nullptr) scores = hn::Add(scores, distance_bias(at));
  for (const AttentionMask& mask : problem.masks) {
    scores = mask.bias != nullptr ? add_bias(at, mask, scores) : keep_visible(at, mask, scores);
  }
  return scores;
}

/// Hides lanes outside [begin, end).
HWY_INLINE Vector keep_range(int64_t begin, int64_t end, Vector scores) {
  if (begin <= 0 && end >= kLanes) return scores;
  const Floats f;
  const Vector lane = hn::Iota(f, 0);
  const auto seen = hn::And(hn::Ge(lane, hn::Set(f, static_cast<float>(begin))),
                            hn::Lt(lane, hn::Set(f, static_cast<float>(end))));
  return hn::IfThenElse(seen, scores, hn::Set(f, kHidden));
}

/// Adds dscore to the gradients of the masks that have a query and a key dimension.
HWY_INLINE void add_to_pairs(const Lanes& at, const AttentionGradients& to, Vector dscore) {
  const Floats f;
  for (const AttentionPairs& pairs : to.pairs) {
    float* sums = pairs.at(at.b, at.h, at.t, at.first);
    store(f, hn::Add(load(f, sums, at.n), dscore), sums, at.n);
  }
}

}  // namespace backward
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
