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
#include <utility>

#include "heed/kernels/attention.h"
#include "heed/kernels/attention_report.h"
#include "heed/kernels/cpu/attention_pairs.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// (after foreach_target)
#include "heed/kernels/cpu/attention_pass-inl.h"
#include "heed/kernels/cpu/attention_report-inl.h"
#include "heed/kernels/cpu/attention_scores-inl.h"
#include "heed/kernels/cpu/attention_softmax-inl.h"
#include "heed/kernels/cpu/attention_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

using namespace fused;

/// One tile over at most kAttentionChunk keys.
template <int kVectors>
void attend_chunk(const Block& block, Tile& tile, const Keys& keys) {
  constexpr int64_t kWidth = kVectors * kLanes;
  const AttentionProblem& problem = block.problem;
  const int64_t n = keys.n;
  Vector highest[kVectors];
  Vector factor[kVectors];

  // 1. scores
  multiply_keys<kVectors>(block, tile, keys, highest);
  // 2. weights
  weigh<kVectors, true>(block, tile, keys.first, n, highest, factor, [](int64_t) {});
  // 3. values
  if (problem.y.data == nullptr) {
    // the report alone is wanted
  } else if (block.careful) {
    add_values_carefully<kVectors>(block.scores, n, keys.v, keys.v_row, problem.value_dim,
                                   !tile.started, factor, tile.out);
  } else {
    in_strides<kRows>(problem.value_dim, 0, [&](auto count, int64_t e) HWY_ATTR {
      block.look_ahead();
      add_values<count(), kVectors>(block.scores, n, keys.v + e, keys.v_row, !tile.started, factor,
                                    tile.out + e * kWidth);
    });
  }
  tile.started = true;
}

}  // namespace

int64_t most_queries(const AttentionProblem& problem) {
  return kMostTiles * tile_queries(problem, kAttentionQueries);
}

void attend(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first, int64_t queries,
            std::byte* scratch) {
  auto* floats = reinterpret_cast<float*>(scratch);
  const auto take = [&](int64_t n) { return std::exchange(floats, floats + (n + 15) / 16 * 16); };
  Block block = take_block(problem, b, h, take);
  // Rows of a projection lie pages apart: each use of a key would ask for its page again.
  block.gather = queries > 2 * kTile;
  RowsAhead ahead, masks_ahead;
  block.ahead = &ahead;
  if (!problem.masks.empty()) block.masks_ahead = &masks_ahead;
  Tile tiles[kMostTiles];
  const int64_t count = cut_tiles(block, first, queries, tile_queries(problem, queries), tiles);
  for (int64_t i = 0; i < count; ++i) {
    take_tile(block, tiles[i], take);
    take_queries(block, tiles[i]);
  }
  prepare_report(block, tiles, count, take);
  float* const scores = block.scores;
  pass_over_keys(block, tiles, count, [&](KeyRange chunk, const Job* jobs, int64_t n) {
    const Keys found = find_keys(block, chunk.begin, chunk.end - chunk.begin);
    for (const Job* job = jobs; job != jobs + n; ++job) {
      const Keys keys = found.part(job->keys.begin, job->keys.end);
      if (block.masks_ahead != nullptr) plan_masks(block, job, jobs, n);
      block.scores = chunk_scores(block, *job->tile, keys.first, scores);
      job->tile->width == kLanes ? attend_chunk<1>(block, *job->tile, keys)
                                 : attend_chunk<kTileVectors>(block, *job->tile, keys);
    }
  });
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace heed::kernels {

int64_t attention_scratch_bytes(int64_t head_dim, int64_t value_dim) {
  constexpr int64_t kWidest = 32;                        // lanes of a tile with AVX-512
  constexpr int64_t kTiles = kMostAttentionQueries / 8;  // with NEON, the narrowest
  const int64_t sizes = head_dim + value_dim;
  constexpr auto kFloat = static_cast<int64_t>(sizeof(float));
  const int64_t block =
      2 * kAttentionChunk * kWidest + (kWidest + kAttentionChunk) * sizes + 8 * 16;
  const int64_t tiles = kMostAttentionQueries * sizes + kTiles * (2 * kWidest + 2 * 16);
  if (!multiplies_pairs(active_isa())) return (block + tiles) * kFloat;
  // A call has tiles of one kind or the other.
  return block * kFloat +
         std::max(tiles * kFloat, attention_pairs_scratch_bytes(head_dim, value_dim));
}

int64_t attention_queries(const AttentionProblem& problem) {
  if (active_isa() == Isa::reference) return kAttentionQueries;
  const int64_t most = pairs_serve(problem)
                           ? kPairQueries
                           : std::min(HEED_DISPATCH(most_queries)(problem), kMostAttentionQueries);
  if (problem.report == nullptr) return most;
  return std::min(most, attention_report_queries(problem, *problem.report));
}

void attention(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first,
               int64_t queries, std::byte* scratch) {
  if (active_isa() == Isa::reference) return ref::attention(problem, b, h, first, queries, scratch);
  if (pairs_serve(problem)) {
    const auto kernel = active_isa() == Isa::amx ? &attention_amx : &attention_bf16;
    return kernel(problem, b, h, first, queries, scratch);
  }
  HEED_DISPATCH(attend)(problem, b, h, first, queries, scratch);
}

}  // namespace heed::kernels
#endif
