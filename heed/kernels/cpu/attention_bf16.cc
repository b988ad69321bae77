// Fused attention of bf16 with AVX512-BF16's dot product, queries in lanes as in attention.cc,
// whose masks, softmax and outputs it shares. Rows of K are read as they lie, a pair of d broadcast
// to all queries; two rows of V are interlaced to pairs of keys once a chunk for all queries of a
// call. docs/decisions/0018-bf16-dot-products.md has the reasons.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "heed/kernels/cpu/attention_bf16.cc"
#include "heed/kernels/cpu/targets.h"
// (before any Highway header)
#include <algorithm>
#include <cstring>

#include "heed/kernels/bf16_dots.h"
#include "heed/kernels/cpu/attention_pairs.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// (after foreach_target)
#include "heed/kernels/cpu/attention_pairs-inl.h"
#include "heed/kernels/cpu/attention_pairs_pack-inl.h"
#include "heed/kernels/cpu/attention_pass-inl.h"
#include "heed/kernels/cpu/attention_tile-inl.h"
#include "heed/kernels/cpu/pair_dots-inl.h"

#if HWY_TARGET == HWY_AVX3

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

using namespace fused;

/// A pair of bf16 in every lane.
HWY_INLINE Vector broadcast_pair(const void* pair) {
  float both = 0;
  std::memcpy(&both, pair, sizeof(both));
  return hn::Set(Floats(), both);
}

/// sums[r] += the products of kCount rows' pairs, stride bytes apart, and of columns [n][width].
/// step: bytes from a row's pair to its next.
template <class Dots, int kCount, int kVectors>
HWY_INLINE void add_products(const std::byte* rows, int64_t stride, int64_t step,
                             const uint32_t* columns, int64_t n, Vector (&sums)[kCount][kVectors]) {
  constexpr int64_t kWidth = kVectors * kLanes;
  const Floats f;
  for (int64_t i = 0; i < n; ++i) {
    Vector column[kVectors];
    HEED_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      column[v] = hn::Load(f, reinterpret_cast<const float*>(columns) + i * kWidth + v * kLanes);
    }
    HEED_UNROLL
    for (int r = 0; r < kCount; ++r) {
      const Vector pair = broadcast_pair(rows + r * stride + i * step);
      HEED_UNROLL
      for (int v = 0; v < kVectors; ++v) sums[r][v] = Dots::add(sums[r][v], pair, column[v]);
    }
  }
}

/// out[r][query] = scale * (q[query] . k[r]) for kCount keys.
template <class Dots, int kCount, int kVectors>
HWY_INLINE void score_rows(const uint32_t* q, int64_t pairs, const std::byte* k, int64_t stride,
                           float scale, float* out) {
  const Floats f;
  Vector sums[kCount][kVectors];
  HEED_UNROLL
  for (int r = 0; r < kCount; ++r) {
    HEED_UNROLL
    for (int v = 0; v < kVectors; ++v) sums[r][v] = hn::Zero(f);
  }
  add_products<Dots, kCount, kVectors>(k, stride, 4, q, pairs, sums);
  const Vector factor = hn::Set(f, scale);
  HEED_UNROLL
  for (int r = 0; r < kCount; ++r) {
    HEED_UNROLL
    for (int v = 0; v < kVectors; ++v) {
      hn::Store(hn::Mul(sums[r][v], factor), f, out + (r * kVectors + v) * kLanes);
    }
  }
}

/// out[e][query] += what n pairs of keys weigh to kCount columns of v. values: [n][value_rows].
template <class Dots, int kCount, int kVectors>
HWY_INLINE void weigh_columns(const uint32_t* weights, int64_t n, const uint32_t* values,
                              int64_t value_rows, float* out) {
  const Floats f;
  Vector sums[kCount][kVectors];
  HEED_UNROLL
  for (int e = 0; e < kCount; ++e) {
    HEED_UNROLL
    for (int v = 0; v < kVectors; ++v) sums[e][v] = hn::Load(f, out + (e * kVectors + v) * kLanes);
  }
  add_products<Dots, kCount, kVectors>(reinterpret_cast<const std::byte*>(values), 4,
                                       4 * value_rows, weights, n, sums);
  HEED_UNROLL
  for (int e = 0; e < kCount; ++e) {
    HEED_UNROLL
    for (int v = 0; v < kVectors; ++v) hn::Store(sums[e][v], f, out + (e * kVectors + v) * kLanes);
  }
}

/// What attend_pairs asks of a kernel.
template <class Dots>
class DotProducts {
 public:
  static constexpr int64_t kDepth = 2;
  static constexpr int64_t kValueRows = 16;  // so that rows of pairs begin where vectors do
  static constexpr bool kGathers = true;     // and asks for rows ahead

  template <class Take>
  DotProducts(PairBlock& block, const Take& /*take*/) : b_(block) {}

  void attend_chunk(KeyRange chunk, const Job* jobs, int64_t n) {
    const PairKeys keys = find_pair_keys(b_, chunk, 1);
    if (b_.block.problem.y.data != nullptr) {
      interlace_values(b_, chunk, chunk.begin / 2 * 2, (chunk.end + 1) / 2 - chunk.begin / 2,
                       b_.values);
    }
    for (const Job* job = jobs; job != jobs + n; ++job) {
      if (b_.block.masks_ahead != nullptr) plan_masks(b_.block, job, jobs, n);
      job->tile->width == kLanes ? attend_job<1>(*job, keys) : attend_job<kTileVectors>(*job, keys);
    }
  }

 private:
  /// Nothing runs beside the softmax: the dot products take the same units as it.
  struct Alone {
    void step() {}
    void drain() {}
  };

  template <int kVectors>
  void attend_job(const Job& job, const PairKeys& keys) {
    constexpr int64_t kWidth = kVectors * kLanes;
    const Tile& tile = *job.tile;
    const KeyRange steps = steps_of(job, 2);
    // 1. scores
    float* scores = b_.block.scores + (job.keys.begin - steps.begin) * kWidth;
    in_strides<kRows>(job.keys.end - job.keys.begin, 0, [&](auto count, int64_t s) HWY_ATTR {
      b_.block.look_ahead();
      score_rows<Dots, count(), kVectors>(reinterpret_cast<const uint32_t*>(tile.q), b_.depth / 2,
                                          keys.at(job.keys.begin + s), keys.k_stride_bytes,
                                          b_.scale, scores + s * kWidth);
    });
    // 2. weights
    Alone alone;
    weigh_job<kVectors>(b_, job, steps, alone);
    if (b_.block.problem.y.data == nullptr) return;
    // 3. values
    const int64_t pairs = (steps.end - steps.begin) / 2;
    const uint32_t* values = b_.values + (steps.begin / 2 - keys.chunk.begin / 2) * b_.value_rows;
    in_strides<kRows>(b_.block.problem.value_dim, 0, [&](auto count, int64_t e) HWY_ATTR {
      b_.block.look_ahead();
      weigh_columns<Dots, count(), kVectors>(b_.weights, pairs, values + e, b_.value_rows,
                                             tile.out + e * kWidth);
    });
  }

  PairBlock& b_;
};

}  // namespace

void attend_bf16(const AttentionProblem& problem, int64_t b, int64_t h, int64_t first,
                 int64_t queries, std::byte* scratch) {
  if (internal::dots_emulated()) {
    attend_pairs<DotProducts<ScalarDots>>(problem, b, h, first, queries, scratch);
  } else {
    attend_pairs<DotProducts<MachineDots>>(problem, b, h, first, queries, scratch);
  }
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // HWY_AVX3

#if HWY_ONCE
namespace heed::kernels {

void attention_bf16([[maybe_unused]] const AttentionProblem& problem, [[maybe_unused]] int64_t b,
                    [[maybe_unused]] int64_t h, [[maybe_unused]] int64_t first,
                    [[maybe_unused]] int64_t queries, [[maybe_unused]] std::byte* scratch) {
#if defined(__x86_64__)
  N_AVX3::attend_bf16(problem, b, h, first, queries, scratch);
#endif  // elsewhere Isa::avx512_bf16 cannot be in use
}

}  // namespace heed::kernels
#endif
