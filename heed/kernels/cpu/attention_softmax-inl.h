// What attention does with a tile between its two products and after the last: scores to weights,
// and sums to outputs. Included once for each Highway target.
#if defined(HEED_KERNELS_CPU_ATTENTION_SOFTMAX_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_ATTENTION_SOFTMAX_INL_H_
#undef HEED_KERNELS_CPU_ATTENTION_SOFTMAX_INL_H_
#else
#define HEED_KERNELS_CPU_ATTENTION_SOFTMAX_INL_H_
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "heed/kernels/attention.h"
#include "heed/kernels/cpu/attention_mask-inl.h"
#include "heed/kernels/cpu/attention_report-inl.h"
#include "heed/kernels/cpu/attention_soften-inl.h"
#include "heed/kernels/cpu/attention_tile-inl.h"
#include "heed/kernels/cpu/convert-inl.h"
#include "heed/kernels/cpu/dropout-inl.h"
#include "heed/kernels/cpu/exp-inl.h"
#include "heed/kernels/cpu/transpose-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace fused {

/// Products of keys [first, first + n), their maximum in highest if it is known, to weights. factor
/// as soften's.
template <int kVectors, bool kKnown, class Between>
HWY_INLINE void weigh(const Block& block, const Tile& tile, int64_t first, int64_t n,
                      Vector* highest, Vector* factor, const Between& between) {
  constexpr int64_t kWidth = kVectors * kLanes;
  const AttentionProblem& problem = block.problem;
  // 1. biases and masks
  const bool changed = modify_scores(block, tile, first, n);
  if (changed || !kKnown) find_highest<kVectors>(block.scores, n, highest);
  if (float* row = recorded_scores(problem, block.b, block.h, tile.first)) {
    rows_from_tile(block.scores, kWidth, n, row + first, problem.key_pitch, tile.queries);
  }
  // 2. the softmax of what was seen so far
  if (tile.report == nullptr) {
    soften<kVectors>(block, tile, n, highest, factor, between, Nothing());
  } else {
    report_chunk<kVectors>(block, tile, first, n, highest, factor, between);
  }
  if (problem.dropout.on()) {
    drop_tile(problem.dropout, block.b * problem.heads + block.h, tile.first, first, n, kWidth,
              block.scores);
  }
}

/// tile.total to what weights relative to tile.highest must be multiplied by, the sink counted;
/// writes lse.
HWY_INLINE void close_softmax(const Block& block, const Tile& tile) {
  const AttentionProblem& problem = block.problem;
  const Floats f;
  const Vector sink = hn::Set(f, problem.sinks == nullptr ? kHidden : problem.sinks[block.h]);
  HWY_ALIGN float base[kTile], total[kTile];
  for (int64_t w = 0; w < tile.width; w += kLanes) {
    const Vector highest = hn::Load(f, tile.highest + w);
    const Vector most = hn::Max(highest, sink);
    const Vector finite = base_of(most);
    const Vector factor = exp_of_negative(f, hn::Sub(highest, finite));
    const Vector sum =
        hn::MulAdd(hn::Load(f, tile.total + w), factor, exp_of_negative(f, hn::Sub(sink, finite)));
    hn::Store(most, f, base + w);
    hn::Store(sum, f, total + w);
    hn::Store(hn::IfThenZeroElse(hn::Eq(sum, hn::Zero(f)), hn::Div(factor, sum)), f,
              tile.total + w);
  }
  if (problem.lse == nullptr || problem.y.data == nullptr) return;
  float* lse = problem.lse + problem.row(block.b, block.h, tile.first);
  for (int64_t w = 0; w < tile.queries; ++w) lse[w] = base[w] + std::log(total[w]);
}

/// Multiplies the outputs by tile.total. Whether every one is finite. (Adding 0 makes -0 0: which
/// of them a sum is may depend on keys of weight 0.)
HWY_INLINE bool normalize(const AttentionProblem& problem, const Tile& tile) {
  const Floats f;
  auto finite = hn::FirstN(f, static_cast<size_t>(kLanes));
  for (int64_t w = 0; w < tile.width; w += kLanes) {
    const Vector inverse = hn::Load(f, tile.total + w);
    for (int64_t e = 0; e < problem.value_dim; ++e) {
      float* at = tile.out + e * tile.width + w;
      const Vector y = hn::MulAdd(hn::Load(f, at), inverse, hn::Zero(f));
      finite = hn::And(finite, hn::IsFinite(y));
      hn::Store(y, f, at);
    }
  }
  return hn::AllTrue(f, finite);
}

/// Scores of a row, kept by attend_chunk, to what the caller wants of them.
HWY_INLINE void finish_row(const Block& block, const Tile& tile, int64_t t, float highest,
                           float inverse) {
  const AttentionProblem& problem = block.problem;
  const Floats f;
  float* scores = recorded_scores(problem, block.b, block.h, t);
  const KeyRange seen = tile.started ? tile.keys : KeyRange{};
  std::fill(scores, scores + seen.begin, kHidden);
  std::fill(scores + seen.end, scores + problem.keys, kHidden);
  if (problem.weights == nullptr) return;
  float* weights = problem.weights + problem.row(block.b, block.h, t) * problem.key_pitch;
  const Vector base = hn::Set(f, highest == kHidden ? 0.0F : highest);
  const Vector factor = hn::Set(f, inverse);
  for_vectors(problem.keys, [&](int64_t s, int64_t n) HWY_ATTR {
    const Vector weight = exp_of_negative(f, hn::Sub(load(f, scores + s, n), base));
    store(f, hn::Mul(weight, factor), weights + s, n);
  });
}

HWY_INLINE void write_rows(const Block& block, const Tile& tile) {
  const AttentionProblem& problem = block.problem;
  std::byte* y = problem.y.at(block.b, block.h, tile.first);
  const int64_t e = problem.value_dim;
  if (problem.y.element == Element::f32) {
    rows_from_tile(tile.out, tile.width, e, reinterpret_cast<float*>(y), problem.y.row,
                   tile.queries);
    return;
  }
  rows_from_tile(tile.out, tile.width, e, block.wide_y, e, tile.queries);
  for (int64_t w = 0; w < tile.queries; ++w) {
    narrow(problem.y.element, block.wide_y + w * e, e,
           y + w * problem.y.row * size_of(problem.y.element));
  }
}

/// Writes y, lse, weights and scores of a tile. Whether every output is finite.
HWY_INLINE bool finish(const Block& block, const Tile& tile) {
  const AttentionProblem& problem = block.problem;
  if (!tile.started) {
    std::fill_n(tile.out, problem.value_dim * tile.width, 0.0F);
    std::fill_n(tile.total, tile.width, 0.0F);
    std::fill_n(tile.highest, tile.width, kHidden);
  }
  close_softmax(block, tile);
  if (problem.y.data == nullptr) return true;
  const bool finite = normalize(problem, tile);
  write_rows(block, tile);
  if (problem.weights == nullptr && problem.scores == nullptr) return finite;
  for (int64_t w = 0; w < tile.queries; ++w) {
    finish_row(block, tile, tile.first + w, tile.highest[w], tile.total[w]);
  }
  return finite;
}

}  // namespace fused
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
