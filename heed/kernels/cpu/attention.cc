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
#include "heed/kernels/cpu/convert-inl.h"
#include "heed/kernels/cpu/dropout-inl.h"
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
  return rows == nullptr ? nullptr : rows + problem.row(block.b, block.h, t) * problem.key_pitch;
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

/// Where keys [first, first + n) lie as f32 rows; the block's own copies where they are something
/// else. n <= kAttentionChunk.
Keys find_keys(const Block& block, int64_t first, int64_t n) {
  const AttentionProblem& problem = block.problem;
  const int64_t g = problem.kv_head(block.h);
  const AttentionPages& pages = problem.pages;
  const bool together =
      pages.table == nullptr || first / pages.tokens == (first + n - 1) / pages.tokens;
  if (together && problem.k.element == Element::f32) {
    return {first,
            n,
            reinterpret_cast<const float*>(problem.key_at(problem.k, block.b, g, first)),
            problem.k.row,
            reinterpret_cast<const float*>(problem.key_at(problem.v, block.b, g, first)),
            problem.v.row};
  }
  const int64_t d = problem.head_dim, e = problem.value_dim;
  for (int64_t s = first; s < first + n; ++s) {
    widen(problem.k.element, problem.key_at(problem.k, block.b, g, s), d,
          block.wide_k + (s - first) * d);
    widen(problem.v.element, problem.key_at(problem.v, block.b, g, s), e,
          block.wide_v + (s - first) * e);
  }
  return {first, n, block.wide_k, d, block.wide_v, e};
}

/// One tile over at most kAttentionChunk keys.
template <int kVectors>
void attend_chunk(const Block& block, Tile& tile, const Keys& keys) {
  constexpr int64_t kWidth = kVectors * kLanes;
  const AttentionProblem& problem = block.problem;
  const int64_t n = keys.n;
  const Floats f;
  Vector highest[kVectors];
  Vector factor[kVectors];

  // 1. scores
  for (int i = 0; i < kVectors; ++i) highest[i] = hn::Set(f, kHidden);
  in_strides<kRows>(n, 0, [&](auto count, int64_t s) HWY_ATTR {
    score_rows<count(), kVectors>(tile.q, problem.head_dim, keys.k + s * keys.k_row, keys.k_row,
                                  block.scores + s * kWidth, highest);
  });
  // 2. biases and masks
  if (modify_scores(block, tile, keys.first, n)) {
    for (int i = 0; i < kVectors; ++i) {
      highest[i] = hn::Set(f, kHidden);
      for (int64_t s = 0; s < n; ++s) {
        highest[i] = hn::Max(highest[i], hn::Load(f, block.scores + s * kWidth + i * kLanes));
      }
    }
  }
  if (float* row = recorded_row(problem, block, tile.first)) {
    rows_from_tile(block.scores, kWidth, n, row + keys.first, problem.key_pitch, tile.queries);
  }
  // 3. weights
  soften<kVectors>(block, tile, n, highest, factor);
  if (problem.dropout.on()) {
    drop_tile(problem.dropout, block.b * problem.heads + block.h, tile.first, keys.first, n, kWidth,
              block.scores);
  }
  // 4. values
  if (block.careful) {
    add_values_carefully<kVectors>(block.scores, n, keys.v, keys.v_row, problem.value_dim,
                                   !tile.started, factor, tile.out);
  } else {
    in_strides<kRows>(problem.value_dim, 0, [&](auto count, int64_t e) HWY_ATTR {
      add_values<count(), kVectors>(block.scores, n, keys.v + e, keys.v_row, !tile.started, factor,
                                    tile.out + e * kWidth);
    });
  }
  tile.started = true;
}

/// tile.total to what weights relative to tile.highest must be multiplied by, the sink counted;
/// writes lse.
void close_softmax(const Block& block, const Tile& tile) {
  const AttentionProblem& problem = block.problem;
  const Floats f;
  const Vector sink = hn::Set(f, problem.sinks == nullptr ? kHidden : problem.sinks[block.h]);
  HWY_ALIGN float base[kTile], total[kTile];
  for (int64_t w = 0; w < tile.width; w += kLanes) {
    const Vector highest = hn::Load(f, tile.highest + w);
    const Vector most = hn::Max(highest, sink);
    const Vector finite = hn::IfThenZeroElse(hn::Eq(most, hn::Set(f, kHidden)), most);
    const Vector factor = exp_of_negative(f, hn::Sub(highest, finite));
    const Vector sum =
        hn::MulAdd(hn::Load(f, tile.total + w), factor, exp_of_negative(f, hn::Sub(sink, finite)));
    hn::Store(most, f, base + w);
    hn::Store(sum, f, total + w);
    hn::Store(hn::IfThenZeroElse(hn::Eq(sum, hn::Zero(f)), hn::Div(factor, sum)), f,
              tile.total + w);
  }
  if (problem.lse == nullptr) return;
  float* lse = problem.lse + problem.row(block.b, block.h, tile.first);
  for (int64_t w = 0; w < tile.queries; ++w) lse[w] = base[w] + std::log(total[w]);
}

/// Multiplies the outputs by tile.total. Whether every one is finite.
bool normalize(const AttentionProblem& problem, const Tile& tile) {
  const Floats f;
  auto finite = hn::FirstN(f, static_cast<size_t>(kLanes));
  for (int64_t w = 0; w < tile.width; w += kLanes) {
    const Vector inverse = hn::Load(f, tile.total + w);
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

void write_rows(const Block& block, const Tile& tile) {
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
bool finish(const Block& block, const Tile& tile) {
  const AttentionProblem& problem = block.problem;
  if (!tile.started) {
    std::fill_n(tile.out, problem.value_dim * tile.width, 0.0F);
    std::fill_n(tile.total, tile.width, 0.0F);
    std::fill_n(tile.highest, tile.width, kHidden);
  }
  close_softmax(block, tile);
  const bool finite = normalize(problem, tile);
  write_rows(block, tile);
  if (problem.weights == nullptr && problem.scores == nullptr) return finite;
  for (int64_t w = 0; w < tile.queries; ++w) {
    finish_row(block, tile, tile.first + w, tile.highest[w], tile.total[w]);
  }
  return finite;
}

/// The queries of a tile, transposed and scaled.
void take_queries(const Block& block, const Tile& tile) {
  const AttentionProblem& problem = block.problem;
  const int64_t d = problem.head_dim;
  const std::byte* rows = problem.q.at(block.b, block.h, tile.first);
  const auto* wide = reinterpret_cast<const float*>(rows);
  int64_t stride = problem.q.row;
  if (problem.q.element != Element::f32) {
    for (int64_t w = 0; w < tile.queries; ++w) {
      widen(problem.q.element, rows + w * stride * size_of(problem.q.element), d,
            block.wide_q + w * d);
    }
    wide = block.wide_q;
    stride = d;
  }
  tile_from_rows(wide, stride, tile.queries, d, problem.scale, tile.q, tile.width);
}

}  // namespace

void attend(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first, int64_t queries,
            std::byte* scratch) {
  auto* floats = reinterpret_cast<float*>(scratch);
  const auto take = [&](int64_t n) { return std::exchange(floats, floats + (n + 15) / 16 * 16); };
  Block block{.problem = problem,
              .b = b,
              .h = h,
              .careful = false,
              .scores = take(kAttentionChunk * kTile),
              .stage = take(kAttentionChunk * kTile),
              .wide_q = take(kTile * problem.head_dim),
              .wide_y = take(kTile * problem.value_dim),
              .wide_k = take(kAttentionChunk * problem.head_dim),
              .wide_v = take(kAttentionChunk * problem.value_dim)};

  // 1. queries into tiles
  Tile tiles[(kAttentionQueries + kTile - 1) / kTile];
  int64_t count = 0;
  KeyRange keys{problem.keys, 0};
  for (int64_t at = 0; at < queries; at += kTile) {
    Tile& tile = tiles[count++];
    tile.first = first + at;
    tile.queries = std::min(kTile, queries - at);
    tile.width = tile.queries <= kLanes ? kLanes : kTile;
    // Both ends of a query's range grow with the query.
    const KeyRange head = visible_keys(problem, b, tile.first);
    const KeyRange tail = visible_keys(problem, b, tile.first + tile.queries - 1);
    tile.keys = {head.begin, tail.end};
    tile.common = {tail.begin, head.end};
    if (tile.keys.begin < tile.keys.end) {
      keys.begin = std::min(keys.begin, tile.keys.begin);
      keys.end = std::max(keys.end, tile.keys.end);
    }
    tile.q = take(problem.head_dim * kTile);
    tile.out = take(problem.value_dim * kTile);
    tile.highest = take(kTile);
    tile.total = take(kTile);
    take_queries(block, tile);
  }
  // 2. keys in chunks, each for all tiles while it is near; 3. outputs. Once more, carefully, if a
  // value of weight 0 may have spoilt a sum.
  for (bool finite = false; !finite;) {
    const int64_t grid = keys.begin / kAttentionChunk * kAttentionChunk;
    for (int64_t at = grid; at < keys.end; at += kAttentionChunk) {
      const KeyRange chunk{std::max(at, keys.begin), std::min(at + kAttentionChunk, keys.end)};
      const Keys found = find_keys(block, chunk.begin, chunk.end - chunk.begin);
      for (int64_t i = 0; i < count; ++i) {
        const int64_t begin = std::max(chunk.begin, tiles[i].keys.begin);
        const int64_t end = std::min(chunk.end, tiles[i].keys.end);
        if (begin >= end) continue;
        tiles[i].width == kLanes
            ? attend_chunk<1>(block, tiles[i], found.part(begin, end))
            : attend_chunk<kTileVectors>(block, tiles[i], found.part(begin, end));
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
  constexpr int64_t kWidest = 32;                    // lanes of a tile with AVX-512
  constexpr int64_t kTiles = kAttentionQueries / 8;  // with NEON, the narrowest
  const int64_t sizes = head_dim + value_dim;
  const int64_t floats = 2 * kAttentionChunk * kWidest +
                         (kWidest + kAttentionChunk + kAttentionQueries) * sizes +
                         kTiles * (2 * kWidest + 2 * 16) + 8 * 16;
  return floats * static_cast<int64_t>(sizeof(float));
}

void attention(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first,
               int64_t queries, std::byte* scratch) {
  if (active_isa() == Isa::reference) return ref::attention(problem, b, h, first, queries, scratch);
  HEED_DISPATCH(attend)(problem, b, h, first, queries, scratch);
}

}  // namespace heed::kernels
#endif
