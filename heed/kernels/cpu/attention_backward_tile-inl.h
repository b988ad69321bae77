// Queries by a tile of keys, in attention's backward: weights and dx, and what they give to dk and
// dv. Included once for each Highway target.
#if defined(HEED_KERNELS_CPU_ATTENTION_BACKWARD_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_ATTENTION_BACKWARD_TILE_INL_H_
#undef HEED_KERNELS_CPU_ATTENTION_BACKWARD_TILE_INL_H_
#else
#define HEED_KERNELS_CPU_ATTENTION_BACKWARD_TILE_INL_H_
#endif

#include <algorithm>
#include <cstdint>
#include <limits>

#include "heed/kernels/cpu/attention_backward_block-inl.h"
#include "heed/kernels/cpu/dropout-inl.h"
#include "heed/kernels/cpu/exp-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

/// What one row of a tile becomes: its scores and dp to weights (dropout applied) and dx. kPlain:
/// as Block::plain says.
template <int kVectors, bool kPlain>
HWY_INLINE void close_row(const Block& block, const Queries& queries, const KeyTile& tile,
                          int64_t r, const float* scores, const float* dp, const float* kept) {
  const AttentionProblem& problem = block.problem;
  const AttentionGradients& to = block.to;
  const Floats f;
  const Vector delta = hn::Set(f, queries.delta[r]);
  // A row that saw nothing: exp(score - infinity) is 0.
  const bool blind = queries.lse[r] == kHidden;
  const Vector lse = hn::Set(f, blind ? std::numeric_limits<float>::infinity() : queries.lse[r]);
  Vector row_sum = hn::Zero(f);
  HEED_UNROLL
  for (int i = 0; i < kVectors; ++i) {
    const int64_t w = i * kLanes;
    const Lanes at{problem,
                   block.b,
                   queries.h,
                   queries.first + r,
                   block.keys.begin + tile.first + w,
                   std::clamp<int64_t>(tile.n - w, 0, kLanes)};
    Vector score = hn::Load(f, scores + w);
    Vector slope = hn::Set(f, 1.0F);
    if (!kPlain) score = change_scores(at, score, slope);
    score = keep_range(queries.begins[r] - tile.first - w, queries.ends[r] - tile.first - w, score);
    const Vector weight = exp_of_negative(f, hn::Sub(score, lse));
    float* to_weight = block.weights + r * tile.width + w;
    const Vector factor = kPlain || kept == nullptr ? hn::Set(f, 1.0F) : hn::Load(f, kept + w);
    hn::Store(kPlain ? weight : hn::Mul(weight, factor), f, to_weight);
    if (!kPlain && dp == nullptr) continue;
    const auto nothing = hn::Eq(weight, hn::Zero(f));
    Vector gain = hn::Load(f, dp + w);
    if (!kPlain) {  // a dropped pair has no dp, whatever v holds
      gain = hn::IfThenZeroElse(hn::Eq(factor, hn::Zero(f)), hn::Mul(gain, factor));
    }
    const Vector dscore = hn::IfThenZeroElse(nothing, hn::Mul(weight, hn::Sub(gain, delta)));
    Vector dx = hn::Mul(dscore, hn::Set(f, problem.scale));
    if (!kPlain) {
      add_to_pairs(at, to, dscore);
      row_sum = hn::Add(row_sum, dscore);
      hn::Store(hn::Add(hn::Load(f, tile.key_sums + w), dscore), f, tile.key_sums + w);
      if (to.diagonals != nullptr) {
        float* diagonal = block.diagonals + tile.first + w - at.t + problem.queries - 1;
        hn::StoreU(hn::Add(hn::LoadU(f, diagonal), dscore), f, diagonal);
      }
      dx = hn::IfThenZeroElse(nothing, hn::Mul(dx, slope));
    }
    hn::Store(dx, f, tile.dx + r * tile.width + w);
  }
  if (!kPlain) block.row_sums[r] += hn::GetLane(hn::SumOfLanes(f, row_sum));
}

/// Rows [r, r + count) of a tile; scores, dp and kept begin with them.
template <int kVectors, bool kPlain>
void close_rows(const Block& block, const Queries& queries, const KeyTile& tile, int64_t r,
                int64_t count, const float* scores, const float* dp, const float* kept) {
  constexpr int64_t kWidth = kVectors * kLanes;
  for (int64_t i = 0; i < count; ++i) {
    close_row<kVectors, kPlain>(block, queries, tile, r + i, scores + i * kWidth,
                                dp == nullptr ? nullptr : dp + i * kWidth,
                                kept == nullptr ? nullptr : kept + i * kWidth);
  }
}

/// out[w][i] += sum over rows of factors[row][w] x[row][i], for i < size: dk and dv of a tile.
template <int kVectors>
void add_rows(const Block& block, const float* factors, int64_t n, const float* x, int64_t row,
              int64_t size, bool careful, float* out) {
  if (careful) {
    add_values_carefully<kVectors>(factors, n, x, row, size, false, nullptr, out);
    return;
  }
  in_strides<kRows>(size, 0, [&](auto count, int64_t i) HWY_ATTR {
    block.ahead.some();
    add_values<count(), kVectors>(factors, n, x + i, row, false, nullptr,
                                  out + i * kVectors * kLanes);
  });
}

/// Weights and dx of a tile of keys, and what they give to dk and dv.
template <int kVectors>
void pass_tile(const Block& block, const Queries& queries, const KeyTile& tile) {
  constexpr int64_t kWidth = kVectors * kLanes;
  const AttentionProblem& problem = block.problem;
  const bool dropping = problem.dropout.on();
  const bool wanted = block.scores_wanted;
  HWY_ALIGN float scores[kRows * kTile], dp[kRows * kTile], kept[(kRows + 3) * kTile];
  const KeyRange rows = queries.rows_of(tile);
  const int64_t n = rows.end - rows.begin;
  if (n <= 0) return;
  in_strides<kRows>(n, 0, [&](auto count, int64_t at) HWY_ATTR {
    const int64_t r = rows.begin + at;
    block.ahead.some();
    score_rows<count(), kVectors>(tile.k, problem.head_dim, queries.q.at(r), queries.q.row, scores,
                                  nullptr);
    block.ahead.some();
    if (wanted) {
      score_rows<count(), kVectors>(tile.v, problem.value_dim, queries.dy.at(r), queries.dy.row, dp,
                                    nullptr);
    }
    if (dropping) {
      drop_factors(problem.dropout, block.b * problem.heads + queries.h, queries.first + r, count(),
                   block.keys.begin + tile.first, kWidth, kept);
    }
    const auto close = block.plain ? close_rows<kVectors, true> : close_rows<kVectors, false>;
    close(block, queries, tile, r, count(), scores, wanted ? dp : nullptr,
          dropping ? kept : nullptr);
  });
  if (block.to.dv.data != nullptr) {
    add_rows<kVectors>(block, block.weights + rows.begin * kWidth, n, queries.dy.at(rows.begin),
                       queries.dy.row, problem.value_dim, queries.careful, tile.dv);
  }
  if (block.to.dk.data != nullptr) {
    add_rows<kVectors>(block, tile.dx + rows.begin * kWidth, n, queries.q.at(rows.begin),
                       queries.q.row, problem.head_dim, queries.careful, tile.dk);
  }
}

}  // namespace
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
