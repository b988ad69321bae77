// Attention of bf16 over products of pairs, S^T = K Q^T and O^T += V^T P^T: all but the products.
// Queries are their columns, so masks, softmax and outputs are the vector kernel's. Included once
// for each Highway target, of which AVX-512 alone has such products.
#if defined(HEED_KERNELS_CPU_ATTENTION_PAIRS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_ATTENTION_PAIRS_INL_H_
#undef HEED_KERNELS_CPU_ATTENTION_PAIRS_INL_H_
#else
#define HEED_KERNELS_CPU_ATTENTION_PAIRS_INL_H_
#endif

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "heed/kernels/cpu/attention_pairs.h"
#include "heed/kernels/cpu/attention_pairs_pack-inl.h"
#include "heed/kernels/cpu/attention_pass-inl.h"
#include "heed/kernels/cpu/attention_report-inl.h"
#include "heed/kernels/cpu/attention_scores-inl.h"
#include "heed/kernels/cpu/attention_softmax-inl.h"
#include "heed/kernels/cpu/attention_tile-inl.h"
#include "hwy/highway.h"

#if HWY_TARGET == HWY_AVX3

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace fused {

static_assert(kMostTiles * kTile == kPairQueries && kTile == kPairWidth && kLanes == 16);

/// The keys that a job's products take on a grid of `grid` keys, which divides a chunk, so that no
/// product reaches into two.
HWY_INLINE KeyRange steps_of(const Job& job, int64_t grid) {
  return {job.keys.begin / grid * grid, round_up(job.keys.end, grid)};
}

/// Makes the outputs so far relative to the new maximum; zeros them before the first chunk.
template <int kVectors>
void rescale_outputs(const PairBlock& b, const Tile& tile, bool first, const Vector* factor) {
  constexpr int64_t kWidth = kVectors * kLanes;
  const Floats f;
  if (first) {
    std::fill_n(tile.out, b.value_rows * kWidth, 0.0F);
    return;
  }
  bool same = true;
  for (int i = 0; i < kVectors; ++i) {
    same = same && hn::AllTrue(f, hn::Eq(factor[i], hn::Set(f, 1.0F)));
  }
  if (same) return;
  for (int64_t e = 0; e < b.value_rows; ++e) {
    HEED_UNROLL
    for (int i = 0; i < kVectors; ++i) {
      float* at = tile.out + e * kWidth + i * kLanes;
      hn::Store(hn::Mul(hn::Load(f, at), factor[i]), f, at);
    }
  }
}

/// Adds values that are not finite, which interlace left out, for queries that give them weight.
/// weights: of the job's keys, [n][width].
inline void add_spoilt_values(const PairBlock& b, const Job& job, const float* weights) {
  const AttentionProblem& problem = b.block.problem;
  const Tile& tile = *job.tile;
  const int64_t g = problem.kv_head(b.block.h);
  for (int64_t s = job.keys.begin; s < job.keys.end; ++s, weights += tile.width) {
    const std::byte* row = problem.key_at(problem.v, b.block.b, g, s);
    for (int64_t e = 0; e < problem.value_dim; ++e) {
      const float value = load_element(Element::bf16, row + 2 * e);
      if (std::isfinite(value)) continue;
      for (int64_t w = 0; w < tile.width; ++w) {
        if (weights[w] != 0) tile.out[e * tile.width + w] += weights[w] * value;
      }
    }
  }
}

/// Scores, in b.block.scores from the first of `steps` on, to b.weights, ready to be multiplied
/// with values, and the outputs so far made relative to them. beside: what goes on meanwhile, of
/// which nothing may be left when b.weights is written.
template <int kVectors, class Beside>
void weigh_job(const PairBlock& b, const Job& job, KeyRange steps, Beside& beside) {
  constexpr int64_t kWidth = kVectors * kLanes;
  Tile& tile = *job.tile;
  const int64_t n = job.keys.end - job.keys.begin;
  Vector highest[kVectors];
  Vector factor[kVectors];

  // 1. weights
  Block seen = b.block;
  seen.scores += (job.keys.begin - steps.begin) * kWidth;
  weigh<kVectors, false>(seen, tile, job.keys.begin, n, highest, factor,
                         [&](int64_t) HWY_ATTR { beside.step(); });
  beside.drain();
  const bool first = !std::exchange(tile.started, true);
  if (b.block.problem.y.data == nullptr) return;  // the report alone is wanted
  // 2. in pairs, 0 for keys that only fill up a product
  std::fill(b.block.scores, seen.scores, 0.0F);
  std::fill(seen.scores + n * kWidth, b.block.scores + (steps.end - steps.begin) * kWidth, 0.0F);
  pack_weights<kVectors>(b, b.block.scores, steps.end - steps.begin);
  // 3. outputs so far
  rescale_outputs<kVectors>(b, tile, first, factor);
  if (b.block.careful) add_spoilt_values(b, job, seen.scores);
}

/// A call. Products(block, take) takes its own scratch; its attend_chunk(chunk, jobs, n) multiplies
/// and weighs, on depths of kDepth elements and kValueRows rows of V^T at a time.
template <class Products>
void attend_pairs(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first,
                  int64_t queries, std::byte* scratch) {
  auto* floats = reinterpret_cast<float*>(scratch);
  const auto take = [&](int64_t n) { return std::exchange(floats, floats + round_up(n, 16)); };
  const auto words = [&](int64_t n) { return reinterpret_cast<uint32_t*>(take(n)); };
  const auto halves = [&](int64_t n) { return reinterpret_cast<uint16_t*>(take(n / 2)); };
  const int64_t depth = round_up(problem.head_dim, Products::kDepth);
  const int64_t value_rows = round_up(problem.value_dim, Products::kValueRows);
  const float power = power_in(problem.scale);
  PairBlock block{.block = take_block(problem, b, h, take),
                  .depth = depth,
                  .value_rows = value_rows,
                  .scale = problem.scale / power,
                  .queries = halves(kTile * depth),
                  .keys = halves(kAttentionChunk * depth),
                  .values = words(kAttentionChunk / 2 * value_rows),
                  .weights = words(kAttentionChunk / 2 * kTile)};
  block.block.gather = Products::kGathers && queries > 2 * kTile;
  RowsAhead ahead, masks_ahead;
  if constexpr (Products::kGathers) {
    block.block.ahead = &ahead;
    if (!problem.masks.empty()) block.block.masks_ahead = &masks_ahead;
  }
  Tile tiles[kMostTiles];
  const int64_t count = cut_tiles(block.block, first, queries, kTile, tiles);
  for (int64_t i = 0; i < count; ++i) {
    Tile& tile = tiles[i];
    tile.q = take(depth / 2 * kTile);
    tile.out = take(value_rows * kTile);
    tile.highest = take(kTile);
    tile.total = take(kTile);
    pack_queries(block, tile, power);
  }
  Products products(block, take);
  prepare_report(block.block, tiles, count, take);
  pass_over_keys(block.block, tiles, count, [&](KeyRange chunk, const Job* jobs, int64_t n) {
    if (n > 0) products.attend_chunk(chunk, jobs, n);
  });
}

}  // namespace fused
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // HWY_AVX3
#endif
