// The product of a row or two with weights that are unpacked in registers. Included once for each
// Highway target.
#if defined(HEED_KERNELS_CPU_BLOCK_PRODUCT_DIRECT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_BLOCK_PRODUCT_DIRECT_INL_H_
#undef HEED_KERNELS_CPU_BLOCK_PRODUCT_DIRECT_INL_H_
#else
#define HEED_KERNELS_CPU_BLOCK_PRODUCT_DIRECT_INL_H_
#endif

#include <utility>

#include "heed/kernels/cpu/block_product-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace block_product_tile {

// Weights are asked for so many bytes before they are read, a step's lines at a time.
constexpr int64_t kAhead = 6144;
constexpr int64_t kLineBytes = 64;

/// Four rows of W, one depth of them, and their scales.
template <BlockKind kKind>
struct Weights {
  const std::byte* rows[kQuad];  // from their first input on
  int64_t output;
  Depth depth;
  HWY_ALIGN float scales[kQuad][blocks::kScales];

  void load(const BlockProductTask& task, int64_t first, const Depth& part) {
    output = first;
    depth = part;
    for (int64_t n = 0; n < kQuad; ++n) {
      rows[n] = task.weights.row(std::min(first + n, task.last_output - 1));
      blocks::Unpacker<kKind>::scales(rows[n], part.begin / kStep, part.count / kStep, scales[n]);
    }
  }
};

/// w times each row of x.
template <int kRows>
HWY_INLINE void add_step(const FloatVector (&w)[kParts], const float* x, int64_t stride, int64_t n,
                         FloatVector (&sums)[kRows][kQuad]) {
  HEED_UNROLL
  for (int64_t p = 0; p < kParts; ++p) {
    HEED_UNROLL
    for (int r = 0; r < kRows; ++r) {
      sums[r][n] = hn::MulAdd(w[p], hn::LoadU(Floats(), x + r * stride + p * kLanes), sums[r][n]);
    }
  }
}

template <BlockKind kKind, int kRows>
HWY_INLINE void multiply_quad(const BlockProductTask& task, const Weights<kKind>& weights) {
  using Unpacker = blocks::Unpacker<kKind>;
  constexpr int64_t kBytes =
      (kQuad * kStep * block_bytes(kKind) + block_size(kKind) - 1) / block_size(kKind);
  const Depth depth = weights.depth;
  const int64_t first = depth.begin / kStep, steps = depth.count / kStep;
  FloatVector sums[kRows][kQuad];
  clear(sums);
  const float* x = task.x + depth.begin;
  const std::byte* ahead = weights.rows[0] + kQuad * block_row_bytes(kKind, depth.begin) + kAhead;
  FloatVector w[kParts];
  for (int64_t s = 0; s < steps; ++s, x += kStep, ahead += kBytes) {
    HEED_UNROLL
    for (int64_t b = 0; b < kBytes; b += kLineBytes) __builtin_prefetch(ahead + b);
    HEED_UNROLL
    for (int64_t n = 0; n < kQuad; ++n) {
      Unpacker::unpack(weights.rows[n], first + s, weights.scales[n] + 2 * s, w);
      add_step(w, x, task.x_stride, n, sums);
    }
  }
  if constexpr (blocks::Tail<kKind>::kPossible) {
    const int64_t left = depth.count % kStep, from = depth.begin + steps * kStep;
    if (left != 0) {
      const InputTail<kRows> in(task.x, task.x_stride, from, from + left);
      HEED_UNROLL
      for (int64_t n = 0; n < kQuad; ++n) {
        const blocks::Tail<kKind> tail(weights.rows[n], from, left);
        Unpacker::unpack(tail.row(), 0, nullptr, w);
        add_step(w, in.x[0], kStep, n, sums);
      }
    }
  }
  finish(Quad(task, weights.output, depth), sums);
}

/// Four rows of W after the other, each from its first input to its last, so that the weights are
/// read as they lie in memory.
template <BlockKind kKind, int kRows>
HWY_NOINLINE void multiply_directly(const BlockProductTask& task) {
  const Depths depths(task.weights.columns);
  const int64_t count = depths.count();
  Weights<kKind> weights;
  for (int64_t n = task.first_output; n < task.last_output; n += kQuad) {
    for (int64_t part = 0; part < count; ++part) {
      weights.load(task, n, depths.at(part));
      multiply_quad<kKind, kRows>(task, weights);
    }
  }
}

using DirectFunction = void (*)(const BlockProductTask&);
template <int kRows, size_t... kKinds>
HWY_INLINE void multiply_any_directly(std::index_sequence<kKinds...>,
                                      const BlockProductTask& task) {
  constexpr DirectFunction kFunctions[] = {
      &multiply_directly<static_cast<BlockKind>(kKinds), kRows>...};
  kFunctions[static_cast<size_t>(task.weights.kind)](task);
}

}  // namespace block_product_tile
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
