// Fused attention, queries in lanes. A tile is up to 2 vectors of queries; scores are kept as
// S^T[key][query], so a key's elements are broadcast and the softmax statistics (maximum, sum) are
// plain vectors: no step of the kernel works across lanes, and a query's bits cannot depend on its
// neighbours. Only q is transposed on the way in and y on the way out; k and v are read as they
// are.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "heed/kernels/cpu/attention.cc"
#include "heed/kernels/cpu/targets.h"
// (before any Highway header)
#include <algorithm>
#include <cmath>
#include <utility>

#include "heed/kernels/attention.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// (after foreach_target)
#include "heed/kernels/cpu/attention_mask-inl.h"
#include "heed/kernels/cpu/attention_tile-inl.h"
#include "heed/kernels/cpu/exp-inl.h"
#include "heed/kernels/cpu/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

using namespace fused;

/// Where a call keeps scores for its caller: scores themselves if wanted, else those that become
/// weights.
float* recorded_row(const AttentionProblem& problem, const Block& block, int64_t t) {
  float* rows = problem.scores != nullptr ? problem.scores : problem.weights;
  return rows == nullptr ? nullptr : rows + problem.row(block.b, block.h, t) * problem.keys;
}

/// Scores to weights relative to the new maximum; total and highest follow. factor is what older
/// sums must be multiplied by.
template <int kVectors>
HWY_INLINE void soften(const Block& block, const Tile& tile, int64_t n, const Vector* chunk_highest,
                       Vector* factor) {
  constexpr int64_t kWidth = kVectors * kLanes;
  const Floats f;
  Vector base[kVectors];
  Vector total[kVectors];
  for (int i = 0; i < kVectors; ++i) {
    const Vector before =
        tile.started ? hn::Load(f, tile.highest + i * kLanes) : hn::Set(f, kHidden);
    const Vector highest = hn::Max(before, chunk_highest[i]);
    // Nothing seen yet: any finite base gives weights of 0 without -inf minus -inf.
    base[i] = hn::IfThenZeroElse(hn::Eq(highest, hn::Set(f, kHidden)), highest);
    factor[i] = exp_of_negative(f, hn::Sub(before, base[i]));
    total[i] =
        tile.started ? hn::Mul(hn::Load(f, tile.total + i * kLanes), factor[i]) : hn::Zero(f);
    hn::Store(highest, f, tile.highest + i * kLanes);
  }
  for (int64_t s = 0; s < n; ++s) {
    HEED_UNROLL
    for (int i = 0; i < kVectors; ++i) {
      float* at = block.scores + s * kWidth + i * kLanes;
      const Vector weight = exp_of_negative(f, hn::Sub(hn::Load(f, at), base[i]));
      hn::Store(weight, f, at);
      total[i] = hn::Add(total[i], weight);
    }
  }
  for (int i = 0; i < kVectors; ++i) hn::Store(total[i], f, tile.total + i * kLanes);
}

/// One tile over the n keys from first on.
template <int kVectors>
void attend_chunk(const Block& block, Tile& tile, int64_t first, int64_t n) {
  constexpr int64_t kWidth = kVectors * kLanes;
  const AttentionProblem& problem = block.problem;
  const Floats f;
  Vector highest[kVectors];
  Vector factor[kVectors];

  // 1. scores
  for (int i = 0; i < kVectors; ++i) highest[i] = hn::Set(f, kHidden);
  in_strides<kRows>(n, 0, [&](auto count, int64_t s) HWY_ATTR {
    score_rows<count(), kVectors>(tile.q, problem.head_dim, block.k(first + s), problem.k.row,
                                  block.scores + s * kWidth, highest);
  });
  // 2. masks
  if (modify_scores(block, tile, first, n)) {
    for (int i = 0; i < kVectors; ++i) {
      highest[i] = hn::Set(f, kHidden);
      for (int64_t s = 0; s < n; ++s) {
        highest[i] = hn::Max(highest[i], hn::Load(f, block.scores + s * kWidth + i * kLanes));
      }
    }
  }
  if (float* row = recorded_row(problem, block, tile.first)) {
    rows_from_tile(block.scores, kWidth, n, row + first, problem.keys, tile.queries);
  }
  // 3. weights
  soften<kVectors>(block, tile, n, highest, factor);
  // 4. values
  if (block.careful) {
    add_values_carefully<kVectors>(block.scores, n, block.v(first), problem.v.row,
                                   problem.value_dim, !tile.started, factor, tile.out);
  } else {
    in_strides<kRows>(problem.value_dim, 0, [&](auto count, int64_t e) HWY_ATTR {
      add_values<count(), kVectors>(block.scores, n, block.v(first) + e, problem.v.row,
                                    !tile.started, factor, tile.out + e * kWidth);
    });
  }
  tile.started = true;
}

/// Divides by the total. Whether every output is finite.
bool normalize(const AttentionProblem& problem, const Tile& tile) {
  const Floats f;
  auto finite = hn::FirstN(f, static_cast<size_t>(kLanes));
  for (int64_t w = 0; w < tile.width; w += kLanes) {
    const Vector total = hn::Load(f, tile.total + w);
    const Vector inverse =
        hn::IfThenZeroElse(hn::Eq(total, hn::Zero(f)), hn::Div(hn::Set(f, 1.0F), total));
    hn::Store(inverse, f, tile.total + w);
    for (int64_t e = 0; e < problem.value_dim; ++e) {
      float* at = tile.out + e * tile.width + w;
      const Vector y = hn::Mul(hn::Load(f, at), inverse);
      finite = hn::And(finite, hn::IsFinite(y));
      hn::Store(y, f, at);
    }
  }
  return hn::AllTrue(f, finite);
}

/// Scores of a row, kept by attend_chunk, to what the caller wants of them.
void finish_row(const Block& block, const Tile& tile, int64_t t, float highest, float inverse) {
  const AttentionProblem& problem = block.problem;
  const Floats f;
  float* scores = recorded_row(problem, block, t);
  std::fill(scores + tile.keys.end, scores + problem.keys, kHidden);
  if (problem.weights == nullptr) return;
  float* weights = problem.weights + problem.row(block.b, block.h, t) * problem.keys;
  const Vector base = hn::Set(f, highest == kHidden ? 0.0F : highest);
  const Vector factor = hn::Set(f, inverse);
  const auto soft = [&](const float* from, float* to) HWY_ATTR {
    const Vector weight = exp_of_negative(f, hn::Sub(hn::LoadU(f, from), base));
    hn::StoreU(hn::Mul(weight, factor), f, to);
  };
  int64_t s = 0;
  for (; s + kLanes <= problem.keys; s += kLanes) soft(scores + s, weights + s);
  if (s == problem.keys) return;
  HWY_ALIGN float rest[kLanes] = {};
  std::copy(scores + s, scores + problem.keys, rest);
  soft(rest, rest);
  std::copy_n(rest, problem.keys - s, weights + s);
}

/// Writes y, lse, weights and scores of a tile. Whether every output is finite.
bool finish(const Block& block, const Tile& tile) {
  const AttentionProblem& problem = block.problem;
  if (!tile.started) {
    std::fill_n(tile.out, problem.value_dim * tile.width, 0.0F);
    std::fill_n(tile.total, tile.width, 0.0F);
    std::fill_n(tile.highest, tile.width, kHidden);
  }
  if (problem.lse != nullptr) {
    float* lse = problem.lse + problem.row(block.b, block.h, tile.first);
    for (int64_t w = 0; w < tile.queries; ++w) lse[w] = tile.highest[w] + std::log(tile.total[w]);
  }
  const bool finite = normalize(problem, tile);
  float* y = problem.y.at(block.b, block.h, tile.first);
  rows_from_tile(tile.out, tile.width, problem.value_dim, y, problem.y.row, tile.queries);
  if (problem.weights == nullptr && problem.scores == nullptr) return finite;
  for (int64_t w = 0; w < tile.queries; ++w) {
    finish_row(block, tile, tile.first + w, tile.highest[w], tile.total[w]);
  }
  return finite;
}

}  // namespace

void attend(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first, int64_t queries,
            std::byte* scratch) {
  auto* floats = reinterpret_cast<float*>(scratch);
  const auto take = [&](int64_t n) { return std::exchange(floats, floats + n); };
  Block block{.problem = problem,
              .b = b,
              .h = h,
              .careful = false,
              .scores = take(kAttentionChunk * kTile),
              .stage = take(kAttentionChunk * kTile)};

  // 1. queries into tiles
  Tile tiles[(kAttentionQueries + kTile - 1) / kTile];
  int64_t count = 0;
  KeyRange keys;
  for (int64_t at = 0; at < queries; at += kTile) {
    Tile& tile = tiles[count++];
    tile.first = first + at;
    tile.queries = std::min(kTile, queries - at);
    tile.width = tile.queries <= kLanes ? kLanes : kTile;
    tile.keys = visible_keys(problem, b, tile.first + tile.queries - 1);
    tile.all_see = visible_keys(problem, b, tile.first).end;
    keys.end = std::max(keys.end, tile.keys.end);
    tile.q = take(problem.head_dim * kTile);
    tile.out = take(problem.value_dim * kTile);
    tile.highest = take(kTile);
    tile.total = take(kTile);
    tile_from_rows(problem.q.at(b, h, tile.first), problem.q.row, tile.queries, problem.head_dim,
                   problem.scale, tile.q, tile.width);
  }
  // 2. keys in chunks, each for all tiles while it is near; 3. outputs. Once more, carefully, if a
  // value of weight 0 may have spoilt a sum.
  for (bool finite = false; !finite;) {
    for (int64_t at = keys.begin; at < keys.end; at += kAttentionChunk) {
      for (int64_t i = 0; i < count; ++i) {
        const int64_t n = std::min(kAttentionChunk, tiles[i].keys.end - at);
        if (n <= 0) continue;
        tiles[i].width == kLanes ? attend_chunk<1>(block, tiles[i], at, n)
                                 : attend_chunk<kTileVectors>(block, tiles[i], at, n);
      }
    }
    finite = true;
    for (int64_t i = 0; i < count; ++i) {
      finite = finish(block, tiles[i]) && finite;
      tiles[i].started = false;
    }
    if (block.careful) break;
    block.careful = true;
  }
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace heed::kernels {

int64_t attention_scratch_bytes(int64_t head_dim, int64_t value_dim) {
  constexpr int64_t kWidest = 64;  // lanes of a tile, rounded up: 32 with AVX-512
  const int64_t floats =
      2 * kAttentionChunk * kWidest + (kAttentionQueries + kWidest) * (head_dim + value_dim + 2);
  return floats * static_cast<int64_t>(sizeof(float));
}

void attention(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first,
               int64_t queries, std::byte* scratch) {
  if (active_isa() == Isa::reference) return ref::attention(problem, b, h, first, queries, scratch);
  HEED_DISPATCH(attend)(problem, b, h, first, queries, scratch);
}

}  // namespace heed::kernels
#endif
