// Partial results of attention_decode, span after span, to what the caller wants of a head.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "heed/kernels/cpu/attention_merge.cc"
#include "heed/kernels/cpu/targets.h"
// (before any Highway header)
#include <algorithm>
#include <cmath>
#include <limits>

#include "heed/kernels/attention_decode.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// (after foreach_target)
#include "heed/kernels/cpu/exp-inl.h"
#include "heed/kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

using Vector = FloatVector;
constexpr float kHidden = -std::numeric_limits<float>::infinity();

}  // namespace

/// Adds `more` to `sum`, both [highest, total, out[width]].
void merge_partial(float* sum, const float* more, int64_t width) {
  const Floats f;
  const float highest = std::max(sum[0], more[0]);
  if (highest == kHidden) return;
  const Vector mine = exp_of_negative(f, hn::Set(f, sum[0] - highest));
  const Vector theirs = exp_of_negative(f, hn::Set(f, more[0] - highest));
  sum[0] = highest;
  for_vectors(width + 1, [&](int64_t e, int64_t n) HWY_ATTR {
    const Vector add = hn::Mul(load(f, more + 1 + e, n), theirs);
    store(f, hn::MulAdd(load(f, sum + 1 + e, n), mine, add), sum + 1 + e, n);
  });
}

/// The row of weights from its scores.
void weigh(const float* scores, int64_t keys, float highest, float inverse, float* weights) {
  const Floats f;
  const Vector base = hn::Set(f, highest == kHidden ? 0.0F : highest);
  const Vector factor = hn::Set(f, inverse);
  map(scores, weights, keys,
      [&](Vector x) HWY_ATTR { return hn::Mul(exp_of_negative(f, hn::Sub(x, base)), factor); });
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace heed::kernels {
namespace {

/// A head's merged sums to what the caller wants.
void finish_head(const AttentionProblem& problem, int64_t b, int64_t h, float* sum) {
  constexpr float kHidden = -std::numeric_limits<float>::infinity();
  const float seen = sum[0];  // the largest score, the sink's apart
  if (problem.sinks != nullptr) {
    const float sink[2] = {problem.sinks[h], 1.0F};
    HEED_DISPATCH(merge_partial)(sum, sink, 0);
    const float shrunk = seen == kHidden ? 0.0F : std::exp(seen - sum[0]);
    for (int64_t e = 0; e < problem.value_dim; ++e) sum[2 + e] *= shrunk;
  }
  const float total = sum[1];
  const float inverse = total == 0 ? 0.0F : 1.0F / total;
  std::byte* y = problem.y.at(b, h, 0);
  for (int64_t e = 0; e < problem.value_dim; ++e) {
    const float value = total == 0 ? 0.0F : sum[2 + e] * inverse;
    store_element(problem.y.element, value, y + e * size_of(problem.y.element));
  }
  const int64_t row = problem.row(b, h, 0);
  if (problem.lse != nullptr) problem.lse[row] = sum[0] + std::log(total);
  float* scores = recorded_scores(problem, b, h, 0);
  if (scores == nullptr) return;
  const KeyRange visible = visible_keys(problem, b, 0);
  std::fill(scores, scores + visible.begin, kHidden);
  std::fill(scores + visible.end, scores + problem.keys, kHidden);
  if (problem.weights == nullptr) return;
  HEED_DISPATCH(weigh)
  (scores, problem.keys, sum[0], inverse, problem.weights + row * problem.key_pitch);
}

}  // namespace

void attention_merge(const AttentionProblem& problem, int64_t b, int64_t g, float* partials,
                     int64_t spans) {
  const int64_t heads = problem.heads / problem.kv_heads;
  const int64_t width = problem.value_dim + 2;
  for (int64_t i = 0; i < heads; ++i) {
    float* sum = partials + i * width;
    for (int64_t span = 1; span < spans; ++span) {
      HEED_DISPATCH(merge_partial)(sum, sum + span * heads * width, problem.value_dim);
    }
    finish_head(problem, b, g * heads + i, sum);
  }
}

}  // namespace heed::kernels
#endif
