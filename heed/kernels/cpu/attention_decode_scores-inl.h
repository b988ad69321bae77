// Scores of one query a head: q . k, summed over the lanes. Included once for each Highway target.
#if defined(HEED_KERNELS_CPU_ATTENTION_DECODE_SCORES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_ATTENTION_DECODE_SCORES_INL_H_
#undef HEED_KERNELS_CPU_ATTENTION_DECODE_SCORES_INL_H_
#else
#define HEED_KERNELS_CPU_ATTENTION_DECODE_SCORES_INL_H_
#endif

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "heed/kernels/cpu/attention_decode_rows-inl.h"
#include "heed/kernels/cpu/attention_pairs.h"
#include "heed/kernels/cpu/targets.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

/// Products of q and k, in f32. Queries are packed [D rounded up] floats, in places, zeros where
/// none is; keys come as pairs of vectors.
template <Element kOf>
struct Widened {
  static constexpr Element kElement = kOf;
  using Row = Pair;

  static Scale part(float scale) { return {.queries = scale, .scores = 1}; }
  static void pack(float x, int64_t d, float* q) { q[place_of(kElement, d)] = x; }
  HWY_INLINE static Row load(const std::byte* row, int64_t d, int64_t n) {
    return load_pair<kElement>(row, d, n);
  }
  HWY_INLINE static Row query(const float* q, int64_t d) {
    const Floats f;
    return {hn::Load(f, q + d), hn::Load(f, q + d + kLanes)};
  }
  HWY_INLINE static Vector add(Vector sum, const Row& q, const Row& k) {
    return hn::MulAdd(q.b, k.b, hn::MulAdd(q.a, k.a, sum));
  }
};

#if HWY_TARGET == HWY_AVX3

/// Products of bf16 by AVX512-BF16's dot product (decision 18), whose queries are bf16 side by
/// side.
template <class Dots>
struct Paired {
  static constexpr Element kElement = Element::bf16;
  using Row = Vector;

  static Scale part(float scale) {
    return {.queries = power_in(scale), .scores = scale / power_in(scale)};
  }
  /// x: a bf16.
  static void pack(float x, int64_t d, float* q) {
    const auto bits = static_cast<uint16_t>(std::bit_cast<uint32_t>(x) >> 16);
    std::memcpy(reinterpret_cast<std::byte*>(q) + d * size_of(kElement), &bits, sizeof(bits));
  }
  HWY_INLINE static Row load(const std::byte* row, int64_t d, int64_t n) {
    WholePair<kElement> whole;
    row = whole.at(row + d * size_of(kElement), n);
    return hn::LoadU(Floats(), reinterpret_cast<const float*>(row));
  }
  HWY_INLINE static Row query(const float* q, int64_t d) { return hn::Load(Floats(), q + d / 2); }
  HWY_INLINE static Vector add(Vector sum, Row q, Row k) { return Dots::add(sum, q, k); }
};

#endif

template <class Products>
void take_queries(const Group& group) {
  const Task& task = group.task;
  const AttentionProblem& problem = task.problem;
  std::fill_n(group.q(0), task.heads * task.q_pitch, 0.0F);
  for (int64_t i = 0; i < task.heads; ++i) {
    for (int64_t d = 0; d < problem.head_dim; ++d) {
      Products::pack(problem.q.value(task.b, group.head(i), 0, d) * task.scale.queries, d,
                     group.q(i));
    }
  }
}

/// The four sums over the lanes, in an order that the number of lanes fixes, times scale.
HWY_INLINE void store_sums(const Vector (&x)[kKeys], float scale, float* to) {
  const Floats f;
  const hn::Repartition<double, Floats> pair;
  const hn::Full128<float> block;
  const auto halves = [&](Vector a, Vector b) HWY_ATTR {
    return hn::BitCast(pair, hn::Add(hn::InterleaveLower(f, a, b), hn::InterleaveUpper(f, a, b)));
  };
  const auto ab = halves(x[0], x[1]);
  const auto cd = halves(x[2], x[3]);
  const Vector sums = hn::Add(hn::BitCast(f, hn::InterleaveLower(pair, ab, cd)),
                              hn::BitCast(f, hn::InterleaveUpper(pair, ab, cd)));
  HWY_ALIGN float lanes[kLanes];
  hn::Store(sums, f, lanes);
  auto sum = hn::Load(block, lanes);
  for (int64_t i = 4; i < kLanes; i += 4) sum = hn::Add(sum, hn::Load(block, lanes + i));
  hn::StoreU(hn::Mul(sum, hn::Set(block, scale)), block, to);
}

/// Scores of kHeads heads from `first` on and kKeys keys from `key` on.
template <class Products, class Fetch, int kHeads>
HWY_INLINE void score_keys(const Group& group, int64_t first, int64_t key) {
  const Task& task = group.task;
  const std::byte* rows[kKeys];
  Coming next[kKeys];
  const int64_t ahead = task.in_turns ? Fetch::kKeysInTurns : Fetch::kRows;
  for (int64_t s = 0; s < kKeys; ++s) {
    rows[s] = task.keys[key + s] + group.key_offset;
    next[s] = coming(task.keys + key + s, ahead, group.key_offset);
  }
  const Floats f;
  Vector sums[kHeads][kKeys];
  HEED_UNROLL
  for (int h = 0; h < kHeads; ++h) {
    HEED_UNROLL
    for (int s = 0; s < kKeys; ++s) sums[h][s] = hn::Zero(f);
  }
  const float* q = group.q(first);
  const int64_t pitch = task.q_pitch;
  constexpr int64_t kSize = size_of(Products::kElement);
  for_pairs(task.problem.head_dim, [&](int64_t d, int64_t n) HWY_ATTR {
    typename Products::Row keys[kKeys] = {};
    HEED_UNROLL
    for (int s = 0; s < kKeys; ++s) {
      fetch_lines<Fetch, kPair * kSize>(next[s], d * kSize);
      keys[s] = Products::load(rows[s], d, n);
    }
    HEED_UNROLL
    for (int h = 0; h < kHeads; ++h) {
      const auto query = Products::query(q + h * pitch, d);
      HEED_UNROLL
      for (int s = 0; s < kKeys; ++s) sums[h][s] = Products::add(sums[h][s], query, keys[s]);
    }
  });
  for (int h = 0; h < kHeads; ++h) {
    store_sums(sums[h], task.scale.scores, group.scores(first + h) + key);
  }
}

}  // namespace
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
