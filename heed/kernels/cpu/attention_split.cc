// The steps of attention.cc one by one, for a tile of queries whose keys are shared by threads.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "heed/kernels/cpu/attention_split.cc"
#include "heed/kernels/cpu/targets.h"
// (before any Highway header)
#include <algorithm>
#include <utility>

#include "heed/kernels/attention_split.h"
#include "heed/kernels/cpu/attention_pairs.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// (after foreach_target)
#include "heed/kernels/cpu/attention_mask-inl.h"
#include "heed/kernels/cpu/attention_pass-inl.h"
#include "heed/kernels/cpu/attention_scores-inl.h"
#include "heed/kernels/cpu/attention_soften-inl.h"
#include "heed/kernels/cpu/attention_softmax-inl.h"
#include "heed/kernels/cpu/attention_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

using namespace fused;

/// A step's view of the split: the tile of its queries, whose sums lie in the shared memory, and
/// what the block's keys have there.
struct Step {
  Block block;
  Tile tile;
  float* weights;  // [kSplitKeys][width]
  float* highest;  // [chunks][width], of the chunk's scores
  float* sums;     // [chunks][width], of its weights

  float* weights_of(int64_t s) const { return weights + s % kSplitKeys * tile.width; }
  float* row_of(float* rows, int64_t s) const {
    return rows + s % kSplitKeys / kAttentionChunk * tile.width;
  }
};

Step take_step(const AttentionSplit& split, std::byte* scratch) {
  constexpr int64_t kChunks = kSplitKeys / kAttentionChunk;
  const AttentionProblem& problem = split.problem;
  const auto from = [](std::byte*& memory) {
    return [&memory](int64_t n) {
      const int64_t bytes = (n + 15) / 16 * 16 * static_cast<int64_t>(sizeof(float));
      return reinterpret_cast<float*>(std::exchange(memory, memory + bytes));
    };
  };
  std::byte* memory = split.shared;
  const auto take = from(scratch);
  const auto share = from(memory);
  Step step{.block = take_block(problem, split.b, split.h, take)};
  step.block.careful = split.careful;
  cut_tiles(step.block, split.first, split.queries, kTile, &step.tile);
  step.tile.started = true;
  step.tile.q = take(problem.head_dim * kTile);
  step.tile.out = share(problem.value_dim * kTile);
  step.tile.highest = share(kTile);
  step.tile.total = share(kTile);
  step.highest = share(kChunks * kTile);
  step.sums = share(kChunks * kTile);
  step.weights = share(kSplitKeys * kTile);
  return step;
}

/// visit(keys) for the chunks that the tile sees of `range`, in order.
template <class Visit>
void for_chunks(const Tile& tile, KeyRange range, const Visit& visit) {
  for (int64_t at = range.begin; at < range.end; at += kAttentionChunk) {
    const KeyRange keys{std::max(at, tile.keys.begin),
                        std::min({at + kAttentionChunk, range.end, tile.keys.end})};
    if (keys.begin < keys.end) visit(keys);
  }
}

/// Calls call with the number of vectors in the tile's width.
template <class Call>
void by_width(const Tile& tile, const Call& call) {
  tile.width == kLanes ? call(std::integral_constant<int, 1>())
                       : call(std::integral_constant<int, kTileVectors>());
}

template <int kVectors>
void score_run(Step& step, KeyRange run) {
  const Floats f;
  const Tile& tile = step.tile;
  for_chunks(tile, run, [&](KeyRange keys) HWY_ATTR {
    Vector highest[kVectors];
    const int64_t n = keys.end - keys.begin;
    step.block.scores = step.weights_of(keys.begin);
    multiply_keys<kVectors>(step.block, tile, find_keys(step.block, keys.begin, n), highest);
    if (modify_scores(step.block, tile, keys.begin, n)) {
      find_highest<kVectors>(step.block.scores, n, highest);
    }
    for (int i = 0; i < kVectors; ++i) {
      hn::Store(highest[i], f, step.row_of(step.highest, keys.begin) + i * kLanes);
    }
  });
}

/// follow(keys, highest, factor) for every chunk of range in order: the largest scores up to and
/// with it, from those that the tile carries, and the factor to them from those before.
template <int kVectors, class Follow>
void follow_highest(const Step& step, KeyRange range, const Follow& follow) {
  const Floats f;
  Vector highest[kVectors];
  for (int i = 0; i < kVectors; ++i) highest[i] = hn::Load(f, step.tile.highest + i * kLanes);
  for_chunks(step.tile, range, [&](KeyRange keys) HWY_ATTR {
    Vector factor[kVectors];
    for (int i = 0; i < kVectors; ++i) {
      const Vector before = highest[i];
      const float* row = step.row_of(step.highest, keys.begin);
      highest[i] = hn::Max(before, hn::Load(f, row + i * kLanes));
      factor[i] = exp_of_negative(f, hn::Sub(before, base_of(highest[i])));
    }
    follow(keys, highest, factor);
  });
}

template <int kVectors>
void weigh_run(const Step& step, KeyRange run) {
  const Floats f;
  const AttentionProblem& problem = step.block.problem;
  const Tile& tile = step.tile;
  const KeyRange so_far{run.begin / kSplitKeys * kSplitKeys, run.end};
  follow_highest<kVectors>(
      step, so_far, [&](KeyRange keys, const Vector* highest, const Vector* /*factor*/) HWY_ATTR {
        if (keys.begin < run.begin) return;
        Vector base[kVectors];
        Vector sum[kVectors];
        for (int i = 0; i < kVectors; ++i) base[i] = base_of(highest[i]);
        float* weights = step.weights_of(keys.begin);
        const int64_t n = keys.end - keys.begin;
        soften_keys<kVectors>(
            weights, n, base, sum, [](int64_t) {}, Nothing());
        for (int i = 0; i < kVectors; ++i) {
          hn::Store(sum[i], f, step.row_of(step.sums, keys.begin) + i * kLanes);
        }
        if (!problem.dropout.on()) return;
        drop_tile(problem.dropout, step.block.b * problem.heads + step.block.h, tile.first,
                  keys.begin, n, tile.width, weights);
      });
}

template <int kVectors>
void add_columns(const Step& step, KeyRange range, KeyRange columns) {
  constexpr int64_t kWidth = kVectors * kLanes;
  const int64_t width = columns.end - columns.begin;
  float* out = step.tile.out + columns.begin * kWidth;
  follow_highest<kVectors>(
      step, range, [&](KeyRange keys, const Vector* /*highest*/, const Vector* factor) HWY_ATTR {
        const int64_t n = keys.end - keys.begin;
        const Keys found = find_keys(step.block, keys.begin, n);
        const float* weights = step.weights_of(keys.begin);
        const float* v = found.v + columns.begin;
        if (step.block.careful) {
          add_values_carefully<kVectors>(weights, n, v, found.v_row, width, false, factor, out);
          return;
        }
        in_strides<kRows>(width, 0, [&](auto count, int64_t e) HWY_ATTR {
          add_values<count(), kVectors>(weights, n, v + e, found.v_row, false, factor,
                                        out + e * kWidth);
        });
      });
}

template <int kVectors>
void advance(const Step& step, KeyRange range) {
  const Floats f;
  HWY_ALIGN float last[kVectors * kLanes];
  std::copy_n(step.tile.highest, kVectors * kLanes, last);
  follow_highest<kVectors>(
      step, range, [&](KeyRange keys, const Vector* highest, const Vector* factor) HWY_ATTR {
        for (int i = 0; i < kVectors; ++i) {
          float* total = step.tile.total + i * kLanes;
          const Vector sum = hn::Load(f, step.row_of(step.sums, keys.begin) + i * kLanes);
          hn::Store(hn::MulAdd(hn::Load(f, total), factor[i], sum), f, total);
          hn::Store(highest[i], f, last + i * kLanes);
        }
      });
  std::copy_n(last, kVectors * kLanes, step.tile.highest);
}

}  // namespace

int64_t split_queries() { return kTile; }

void split_start(const AttentionSplit& split, std::byte* scratch) {
  const Step step = take_step(split, scratch);
  std::fill_n(step.tile.out, split.problem.value_dim * kTile, 0.0F);
  std::fill_n(step.tile.highest, kTile, kHidden);
  std::fill_n(step.tile.total, kTile, 0.0F);
}

void split_scores(const AttentionSplit& split, KeyRange run, std::byte* scratch) {
  Step step = take_step(split, scratch);
  take_queries(step.block, step.tile);
  by_width(step.tile, [&](auto vectors) { score_run<vectors()>(step, run); });
}

void split_weights(const AttentionSplit& split, KeyRange run, std::byte* scratch) {
  const Step step = take_step(split, scratch);
  by_width(step.tile, [&](auto vectors) { weigh_run<vectors()>(step, run); });
}

void split_values(const AttentionSplit& split, KeyRange block, KeyRange columns,
                  std::byte* scratch) {
  const Step step = take_step(split, scratch);
  by_width(step.tile, [&](auto vectors) { add_columns<vectors()>(step, block, columns); });
}

void split_advance(const AttentionSplit& split, KeyRange block, std::byte* scratch) {
  const Step step = take_step(split, scratch);
  by_width(step.tile, [&](auto vectors) { advance<vectors()>(step, block); });
}

bool split_finish(const AttentionSplit& split, std::byte* scratch) {
  const Step step = take_step(split, scratch);
  return finish(step.block, step.tile);
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace heed::kernels {

int64_t attention_split_queries() { return HEED_DISPATCH(split_queries)(); }

bool attention_splits(const AttentionProblem& problem) {
  return active_isa() != Isa::reference && !pairs_serve(problem) && problem.weights == nullptr &&
         problem.scores == nullptr && problem.report == nullptr && problem.y.data != nullptr;
}

int64_t attention_split_bytes(const AttentionProblem& problem) {
  constexpr int64_t kWidest = 32;
  const int64_t rows = problem.value_dim + 2 + 2 * kSplitKeys / kAttentionChunk + kSplitKeys;
  return rows * kWidest * static_cast<int64_t>(sizeof(float));
}

void attention_split_start(const AttentionSplit& split, std::byte* scratch) {
  HEED_DISPATCH(split_start)(split, scratch);
}

void attention_split_scores(const AttentionSplit& split, KeyRange run, std::byte* scratch) {
  HEED_DISPATCH(split_scores)(split, run, scratch);
}

void attention_split_weights(const AttentionSplit& split, KeyRange run, std::byte* scratch) {
  HEED_DISPATCH(split_weights)(split, run, scratch);
}

void attention_split_values(const AttentionSplit& split, KeyRange block, KeyRange columns,
                            std::byte* scratch) {
  HEED_DISPATCH(split_values)(split, block, columns, scratch);
}

void attention_split_advance(const AttentionSplit& split, KeyRange block, std::byte* scratch) {
  HEED_DISPATCH(split_advance)(split, block, scratch);
}

bool attention_split_finish(const AttentionSplit& split, std::byte* scratch) {
  return HEED_DISPATCH(split_finish)(split, scratch);
}

}  // namespace heed::kernels
#endif
