// Fused attention, queries in lanes. A tile is up to 2 vectors of queries; scores are kept as
// S^T[key][query], so a key's elements are broadcast and the softmax statistics (maximum, sum) are
// plain vectors: no step of the kernel works across lanes, and a query's bits cannot depend on its
// neighbours. Only q is transposed on the way in and y on the way out; k and v are read as they
// are.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "heed/kernels/cpu/attention.cc"
#include "heed/kernels/cpu/targets.h"
// (before any Highway header)
#include <cmath>
#include <limits>
#include <type_traits>
#include <utility>

#include "heed/kernels/attention.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// (after foreach_target)
#include "heed/kernels/cpu/exp-inl.h"
#include "heed/kernels/cpu/transpose-inl.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;
using Floats = hn::ScalableTag<float>;
using Vector = hn::Vec<Floats>;

constexpr auto kLanes = static_cast<int64_t>(hn::MaxLanes(Floats()));
constexpr int kTileVectors = 2;
constexpr int64_t kTile = kTileVectors * kLanes;
// Keys (or value columns) whose sums are held in registers at once: kRows x kTileVectors
// accumulators, kTileVectors operands and one broadcast must fit.
#if HWY_TARGET == HWY_AVX2
constexpr int kRows = 6;  // of 16 registers
#else
constexpr int kRows = 8;  // of 32 registers
#endif
constexpr float kHidden = -std::numeric_limits<float>::infinity();

/// One tile of queries and what it carries from chunk to chunk of keys.
struct Tile {
  int64_t first;    // query
  int64_t queries;  // <= kTile; lanes past them repeat the last
  int64_t width;    // lanes in use: kLanes or kTile
  KeyRange keys;    // that any of its queries sees
  int64_t all_see;  // keys before this one are seen by every query, masks apart
  bool started = false;
  float* q;        // [D][width], times the scale
  float* out;      // [E][width], relative to highest
  float* highest;  // [width]
  float* total;    // [width], sum of exp(score - highest)
};

/// One call: a block of queries of one head, and where its scratch lies.
struct Block {
  const AttentionProblem& problem;
  int64_t b, h;
  bool careful;
  float* scores;  // [kAttentionChunk][width]
  float* stage;   // [kAttentionChunk][width], for a mask
  const float* k(int64_t s) const { return problem.k.at(b, problem.kv_head(h), s); }
  const float* v(int64_t s) const { return problem.v.at(b, problem.kv_head(h), s); }
};

/// Calls step(integral_constant<rows>, first) over [0, n) in strides of kRows, then 4, 2, 1.
template <int kStride, class Step>
HWY_INLINE void in_strides(int64_t n, int64_t at, const Step& step) {
  for (; at + kStride <= n; at += kStride) step(std::integral_constant<int, kStride>(), at);
  if constexpr (kStride > 4) {
    in_strides<4>(n, at, step);
  } else if constexpr (kStride > 1) {
    in_strides<kStride / 2>(n, at, step);
  }
}

/// out[r][query] = q[query] . k[r] for kCount keys; highest = max(highest, out).
template <int kCount, int kVectors>
HWY_INLINE void score_rows(const float* HWY_RESTRICT q, int64_t head_dim, const float* k,
                           int64_t stride, float* HWY_RESTRICT out, Vector* HWY_RESTRICT highest) {
  constexpr int64_t kWidth = kVectors * kLanes;
  const Floats f;
  Vector sums[kCount][kVectors];
  HEED_UNROLL
  for (int r = 0; r < kCount; ++r) {
    HEED_UNROLL
    for (int i = 0; i < kVectors; ++i) sums[r][i] = hn::Zero(f);
  }
  for (int64_t d = 0; d < head_dim; ++d) {
    Vector queries[kVectors];
    HEED_UNROLL
    for (int i = 0; i < kVectors; ++i) queries[i] = hn::Load(f, q + d * kWidth + i * kLanes);
    HEED_UNROLL
    for (int r = 0; r < kCount; ++r) {
      const Vector key = hn::Set(f, k[r * stride + d]);
      HEED_UNROLL
      for (int i = 0; i < kVectors; ++i) sums[r][i] = hn::MulAdd(key, queries[i], sums[r][i]);
    }
  }
  HEED_UNROLL
  for (int r = 0; r < kCount; ++r) {
    HEED_UNROLL
    for (int i = 0; i < kVectors; ++i) {
      hn::Store(sums[r][i], f, out + r * kWidth + i * kLanes);
      highest[i] = hn::Max(highest[i], sums[r][i]);
    }
  }
}

/// out[e][query] = out[e][query] * factor[query] + sum_s weights[s][query] v[s][e] for kCount
/// columns e, in key order.
template <int kCount, int kVectors>
HWY_INLINE void add_values(const float* HWY_RESTRICT weights, int64_t keys, const float* v,
                           int64_t stride, bool first, const Vector* factor,
                           float* HWY_RESTRICT out) {
  constexpr int64_t kWidth = kVectors * kLanes;
  const Floats f;
  Vector sums[kCount][kVectors];
  HEED_UNROLL
  for (int e = 0; e < kCount; ++e) {
    HEED_UNROLL
    for (int i = 0; i < kVectors; ++i) {
      sums[e][i] =
          first ? hn::Zero(f) : hn::Mul(hn::Load(f, out + e * kWidth + i * kLanes), factor[i]);
    }
  }
  for (int64_t s = 0; s < keys; ++s) {
    Vector weight[kVectors];
    HEED_UNROLL
    for (int i = 0; i < kVectors; ++i) weight[i] = hn::Load(f, weights + s * kWidth + i * kLanes);
    HEED_UNROLL
    for (int e = 0; e < kCount; ++e) {
      const Vector value = hn::Set(f, v[s * stride + e]);
      HEED_UNROLL
      for (int i = 0; i < kVectors; ++i) sums[e][i] = hn::MulAdd(value, weight[i], sums[e][i]);
    }
  }
  HEED_UNROLL
  for (int e = 0; e < kCount; ++e) {
    HEED_UNROLL
    for (int i = 0; i < kVectors; ++i) hn::Store(sums[e][i], f, out + e * kWidth + i * kLanes);
  }
}

/// add_values that leaves out keys of weight 0: 0 times NaN or infinity is NaN. The same bits where
/// all values are finite.
template <int kVectors>
void add_values_carefully(const float* weights, int64_t keys, const float* v, int64_t stride,
                          int64_t value_dim, bool first, const Vector* factor, float* out) {
  const Floats f;
  for (int64_t e = 0; e < value_dim; ++e) {
    for (int i = 0; i < kVectors; ++i) {
      float* at = out + (e * kVectors + i) * kLanes;
      Vector sum = first ? hn::Zero(f) : hn::Mul(hn::Load(f, at), factor[i]);
      for (int64_t s = 0; s < keys; ++s) {
        const Vector weight = hn::Load(f, weights + (s * kVectors + i) * kLanes);
        const Vector more = hn::MulAdd(hn::Set(f, v[s * stride + e]), weight, sum);
        sum = hn::IfThenElse(hn::Eq(weight, hn::Zero(f)), sum, more);
      }
      hn::Store(sum, f, at);
    }
  }
}

float added_by(const AttentionMask& mask, int64_t at) {
  if (mask.bias != nullptr) return mask.bias[at];
  return mask.visible[at] ? 0.0F : kHidden;
}

/// Writes what a mask adds to the scores of a tile over keys [first, first + n): 0, -inf or a bias.
void stage_mask(const Block& block, const AttentionMask& mask, const Tile& tile, int64_t first,
                int64_t n) {
  const int64_t corner = mask.offset(block.b, block.h, tile.first, first);
  if (mask.query == 0) {  // one row for all queries
    const Floats f;
    for (int64_t s = 0; s < n; ++s) {
      const Vector added = hn::Set(f, added_by(mask, corner + s * mask.key));
      for (int64_t w = 0; w < tile.width; w += kLanes) {
        hn::Store(added, f, block.stage + s * tile.width + w);
      }
    }
  } else if (mask.bias != nullptr && mask.key == 1) {
    tile_from_rows(mask.bias + corner, mask.query, tile.queries, n, 1.0F, block.stage, tile.width);
  } else {
    for (int64_t w = 0; w < tile.width; ++w) {
      const int64_t row = corner + std::min(w, tile.queries - 1) * mask.query;
      for (int64_t s = 0; s < n; ++s) {
        block.stage[s * tile.width + w] = added_by(mask, row + s * mask.key);
      }
    }
  }
}

/// Adds the staged mask; where it is -inf the score is hidden whatever it was.
void add_stage(const Block& block, int64_t elements) {
  const Floats f;
  const Vector hidden = hn::Set(f, kHidden);
  for (int64_t i = 0; i < elements; i += kLanes) {
    const Vector bias = hn::Load(f, block.stage + i);
    const Vector sum = hn::Add(hn::Load(f, block.scores + i), bias);
    hn::Store(hn::IfThenElse(hn::Eq(bias, hidden), hidden, sum), f, block.scores + i);
  }
}

/// Hides keys at or past a query's own end, for the chunks that the causal diagonal crosses.
void hide_unseen(const Block& block, const Tile& tile, int64_t first, int64_t n) {
  const Floats f;
  HWY_ALIGN float ends[kTile];  // relative to first, at most n: small integers, exact
  for (int64_t w = 0; w < tile.width; ++w) {
    const int64_t t = tile.first + std::min(w, tile.queries - 1);
    const int64_t end = visible_keys(block.problem, block.b, t).end - first;
    ends[w] = static_cast<float>(std::clamp<int64_t>(end, 0, n));
  }
  const Vector hidden = hn::Set(f, kHidden);
  for (int64_t s = 0; s < n; ++s) {
    const Vector key = hn::Set(f, static_cast<float>(s));
    for (int64_t w = 0; w < tile.width; w += kLanes) {
      float* at = block.scores + s * tile.width + w;
      hn::Store(hn::IfThenElse(hn::Lt(key, hn::Load(f, ends + w)), hn::Load(f, at), hidden), f, at);
    }
  }
}

/// Applies whatever changes scores after the product. Whether it did.
bool modify_scores(const Block& block, const Tile& tile, int64_t first, int64_t n) {
  for (const AttentionMask& mask : block.problem.masks) {
    stage_mask(block, mask, tile, first, n);
    add_stage(block, n * tile.width);
  }
  const bool crossed = first + n > tile.all_see;
  if (crossed) hide_unseen(block, tile, first, n);
  return crossed || !block.problem.masks.empty();
}

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
