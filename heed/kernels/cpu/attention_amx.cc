// Fused attention of bf16 with AMX's tile products, queries in lanes as in attention.cc, whose
// masks, softmax and outputs it shares. Both products have the queries as their columns, S^T = K
// Q^T and O^T += V^T P^T, so the softmax stays a matter of plain vectors, rows of K are a tile's
// rows as they lie in memory, and two rows of weights become one of pairs by a shift. Packed are
// only Q, once a call, and V^T, once a chunk for all queries of a call.
//
// A tile product runs beside the vector instructions that follow it: while the softmax of one tile
// of queries is at work, the scores of the next and the values of the last are multiplied.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "heed/kernels/cpu/attention_amx.cc"
#include "heed/kernels/cpu/targets.h"
// (before any Highway header)
#include <algorithm>
#include <utility>

#include "heed/kernels/amx.h"
#include "heed/kernels/cpu/attention_pairs.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// (after foreach_target)
#include "heed/kernels/cpu/attention_pairs-inl.h"
#include "heed/kernels/cpu/attention_pairs_pack-inl.h"
#include "heed/kernels/cpu/attention_pass-inl.h"
#include "heed/kernels/cpu/attention_tile-inl.h"
#include "heed/kernels/cpu/tiles-inl.h"
#include "heed/kernels/cpu/transpose-inl.h"

#if HWY_TARGET == HWY_AVX3

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

using namespace fused;

/// Keys, or elements of d, that one tile product takes: 16 pairs.
constexpr int64_t kStep = 32;
static_assert(kAttentionChunk % kStep == 0);  // so that no product reaches into two chunks

/// One call, beside what every product of pairs has.
struct TileBlock {
  PairBlock& pairs;
  float* next_scores;    // [kAttentionChunk][kTile], of the next tile of queries
  uint32_t* interlaced;  // [kStep / 2][value_rows], pairs of rows of v
};

/// b.values: the chunk's values, transposed: [step][value_rows][kStep / 2].
void pack_values(const TileBlock& block, const PairKeys& keys) {
  const PairBlock& b = block.pairs;
  for (int64_t step = 0; step < keys.n; step += kStep) {
    interlace_values(b, keys.chunk, keys.first + step, kStep / 2, block.interlaced);
    tile_from_rows(
        reinterpret_cast<const float*>(block.interlaced), b.value_rows, kStep / 2, b.value_rows,
        [](Vector pairs) HWY_ATTR { return pairs; },
        reinterpret_cast<float*>(b.values + step / 2 * b.value_rows), kStep / 2);
  }
}

/// Scores of keys [s, s + kStep) by the queries of a tile, to out [kStep][width].
template <class Tiles, int kVectors>
void score_keys(const PairBlock& b, const Tile& tile, const PairKeys& keys, int64_t s, float* out) {
  using Sums = TileSums<Tiles, 2, kVectors>;
  const auto* pairs = reinterpret_cast<const uint32_t*>(tile.q);
  Sums::zero();
  for (int64_t d = 0; d < b.depth; d += kStep) {
    Sums::multiply(keys.at(s) + 2 * d, keys.k_stride_bytes, pairs + d / 2 * tile.width, tile.width);
  }
  Sums::store(out, tile.width);
}

/// Adds what keys [begin, end), of the chunk whose first is origin, weigh to rows [e, e + 16 kRows)
/// of a tile's outputs.
template <class Tiles, int kRows, int kVectors>
void weigh_values(const PairBlock& b, const Tile& tile, KeyRange keys, int64_t origin, int64_t e) {
  using Sums = TileSums<Tiles, kRows, kVectors>;
  float* out = tile.out + e * tile.width;
  Sums::load(out, tile.width);
  for (int64_t s = keys.begin; s < keys.end; s += kStep) {
    const uint32_t* values = b.values + ((s - origin) / 2 * b.value_rows + e * kStep / 2);
    Sums::multiply(reinterpret_cast<const std::byte*>(values), 2 * kStep,
                   b.weights + (s - keys.begin) / 2 * tile.width, tile.width);
  }
  Sums::store(out, tile.width);
}

/// Tile products that wait for a softmax to go on beside: scores of the next job and values of the
/// last.
template <class Tiles>
struct Beside {
  const TileBlock& block;
  const PairKeys& keys;
  const Job* next = nullptr;
  int64_t next_key = 0;  // the first without scores
  const Job* last = nullptr;
  int64_t last_row = 0;  // the first of its outputs without this chunk's share

  void start_scores(const Job* job) {
    next = job;
    if (next != nullptr) next_key = steps_of(*next, kStep).begin;
  }
  void start_values(const Job* job) {
    last = job;
    last_row = 0;
  }

  /// A few products. Whether there were any left.
  bool step() {
    const PairBlock& b = block.pairs;
    if (next != nullptr && next_key < next->keys.end) {
      const Tile& tile = *next->tile;
      float* out = block.next_scores + (next_key - steps_of(*next, kStep).begin) * tile.width;
      tile.width == kLanes ? score_keys<Tiles, 1>(b, tile, keys, next_key, out)
                           : score_keys<Tiles, 2>(b, tile, keys, next_key, out);
      next_key += kStep;
      return true;
    }
    if (last == nullptr || last_row >= b.value_rows) return false;
    const Tile& tile = *last->tile;
    const bool two = last_row + kTileRows < b.value_rows;
    const auto multiply = tile.width == kLanes
                              ? two ? &weigh_values<Tiles, 2, 1> : &weigh_values<Tiles, 1, 1>
                          : two ? &weigh_values<Tiles, 2, 2>
                                : &weigh_values<Tiles, 1, 2>;
    multiply(b, tile, steps_of(*last, kStep), keys.first, last_row);
    last_row += 2 * kTileRows;
    return true;
  }
  void drain() {
    while (step()) {
    }
  }
};

void scale_scores(const PairBlock& b, const Job& job) {
  if (b.scale == 1) return;
  const Floats f;
  const Vector scale = hn::Set(f, b.scale);
  const int64_t origin = steps_of(job, kStep).begin;
  for (int64_t i = (job.keys.begin - origin) * job.tile->width,
               end = (job.keys.end - origin) * job.tile->width;
       i < end; i += kLanes) {
    hn::Store(hn::Mul(hn::Load(f, b.block.scores + i), scale), f, b.block.scores + i);
  }
}

/// What attend_pairs asks of a kernel. The tiles are configured while there is one.
template <class Tiles>
class TileProducts {
 public:
  static constexpr int64_t kDepth = kStep;
  static constexpr int64_t kValueRows = kTileRows;
  static constexpr bool kGathers = false;

  template <class Take>
  TileProducts(PairBlock& block, const Take& take)
      : block_{block, take(kAttentionChunk * kTile),
               reinterpret_cast<uint32_t*>(take(kStep / 2 * block.value_rows))} {
    Tiles::configure();
  }
  ~TileProducts() { Tiles::release(); }
  TileProducts(const TileProducts&) = delete;
  TileProducts& operator=(const TileProducts&) = delete;

  void attend_chunk(KeyRange chunk, const Job* jobs, int64_t n) {
    PairBlock& b = block_.pairs;
    const bool valued = b.block.problem.y.data != nullptr;
    const PairKeys keys = find_pair_keys(b, chunk, kStep);
    if (valued) pack_values(block_, keys);
    Beside<Tiles> beside{block_, keys};
    beside.start_scores(jobs);
    beside.drain();
    for (const Job* job = jobs; job != jobs + n; ++job) {
      std::swap(b.block.scores, block_.next_scores);
      beside.start_scores(job + 1 == jobs + n ? nullptr : job + 1);
      scale_scores(b, *job);
      const KeyRange steps = steps_of(*job, kStep);
      job->tile->width == kLanes ? weigh_job<1>(b, *job, steps, beside)
                                 : weigh_job<kTileVectors>(b, *job, steps, beside);
      if (valued) beside.start_values(job);
    }
    beside.drain();
  }

 private:
  TileBlock block_;
};

}  // namespace

void attend_amx(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first,
                int64_t queries, std::byte* scratch) {
  if (internal::tiles_emulated()) {
    attend_pairs<TileProducts<ScalarTiles>>(problem, b, h, first, queries, scratch);
  } else {
    attend_pairs<TileProducts<MachineTiles>>(problem, b, h, first, queries, scratch);
  }
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // HWY_AVX3

#if HWY_ONCE
namespace heed::kernels {

void attention_amx([[maybe_unused]] const AttentionProblem& problem, [[maybe_unused]] int64_t b,
                   [[maybe_unused]] int64_t h, [[maybe_unused]] int64_t first,
                   [[maybe_unused]] int64_t queries, [[maybe_unused]] std::byte* scratch) {
#if defined(__x86_64__)
  N_AVX3::attend_amx(problem, b, h, first, queries, scratch);
#endif  // elsewhere Isa::amx cannot be in use
}

}  // namespace heed::kernels
#endif
