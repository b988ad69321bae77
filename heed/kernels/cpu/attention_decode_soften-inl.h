// One query a head, from scores to weights. Included once for each Highway target.
#if defined(HEED_KERNELS_CPU_ATTENTION_DECODE_SOFTEN_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_ATTENTION_DECODE_SOFTEN_INL_H_
#undef HEED_KERNELS_CPU_ATTENTION_DECODE_SOFTEN_INL_H_
#else
#define HEED_KERNELS_CPU_ATTENTION_DECODE_SOFTEN_INL_H_
#endif

#include <algorithm>
#include <cstdint>

#include "heed/kernels/cpu/activation-inl.h"
#include "heed/kernels/cpu/attention_decode_group-inl.h"
#include "heed/kernels/cpu/exp-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

/// Biases, masks and softcap on scores of keys [first, first + n).
void modify_scores(const Group& group, int64_t i, int64_t first, int64_t n, float* scores) {
  const AttentionProblem& problem = group.task.problem;
  const Floats f;
  const int64_t h = group.head(i);
  if (problem.softcap != 0) {
    const Vector cap = hn::Set(f, problem.softcap);
    const Vector inverse = hn::Set(f, 1.0F / problem.softcap);
    map(scores, scores, n,
        [&](Vector x) HWY_ATTR { return hn::Mul(cap, tanh(f, hn::Mul(x, inverse))); });
  }
  if (problem.distance.data != nullptr) {
    const int64_t p = problem.position(group.task.b, 0);
    for (int64_t s = 0; s < n; ++s) scores[s] += problem.distance.at(h, p - first - s);
  }
  for (const AttentionMask& mask : problem.masks) {
    const int64_t at = mask.offset(group.task.b, h, 0, first);
    for (int64_t s = 0; s < n; ++s) {
      const int64_t element = at + s * mask.key;
      if (mask.visible != nullptr ? !mask.visible[element] : mask.bias[element] == kHidden) {
        scores[s] = kHidden;
      } else if (mask.bias != nullptr) {
        scores[s] += mask.bias[element];
      }
    }
  }
}

/// Scores of a chunk to weights; highest, total and what is summed so far follow.
void soften(const Group& group, int64_t i, int64_t first, int64_t n) {
  const AttentionProblem& problem = group.task.problem;
  const Floats f;
  float* scores = group.scores(i);
  modify_scores(group, i, first, n, scores);
  if (float* row = recorded_scores(problem, group.task.b, group.head(i), 0)) {
    std::copy_n(scores, n, row + first);
  }
  Vector most = hn::Set(f, group.highest(i));
  for_vectors(n, [&](int64_t s, int64_t lanes)
                     HWY_ATTR { most = hn::Max(most, load(f, scores + s, lanes, kHidden)); });
  const float highest = hn::GetLane(hn::MaxOfLanes(f, most));
  const Vector base = hn::Set(f, highest == kHidden ? 0.0F : highest);
  const Vector factor = exp_of_negative(f, hn::Sub(hn::Set(f, group.highest(i)), base));
  const float sum = sum_vectors(n, [&](int64_t s, int64_t lanes) HWY_ATTR {
    const Vector weight = exp_of_negative(f, hn::Sub(load(f, scores + s, lanes, kHidden), base));
    store(f, weight, scores + s, lanes);
    return weight;
  });
  group.total(i) = group.total(i) * hn::GetLane(factor) + sum;
  group.highest(i) = highest;
  map(group.out(i), group.out(i), group.task.out_pitch,
      [&](Vector x) HWY_ATTR { return hn::Mul(x, factor); });
  if (!problem.dropout.on()) return;
  for (int64_t s = 0; s < n; ++s) {
    scores[s] *=
        dropout_factor(problem.dropout, group.task.b * problem.heads + group.head(i), 0, first + s);
  }
}

}  // namespace
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
