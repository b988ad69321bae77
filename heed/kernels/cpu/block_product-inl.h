// What both forms of the product with weights in blocks share: how inputs are cut, and how a tile
// of four rows of W ends. Included once for each Highway target.
#if defined(HEED_KERNELS_CPU_BLOCK_PRODUCT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_BLOCK_PRODUCT_INL_H_
#undef HEED_KERNELS_CPU_BLOCK_PRODUCT_INL_H_
#else
#define HEED_KERNELS_CPU_BLOCK_PRODUCT_INL_H_
#endif

#include <algorithm>

#include "heed/kernels/block_product.h"
#include "heed/kernels/cpu/blocks-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace block_product_tile {

using blocks::kParts;
using blocks::kStep;

constexpr int64_t kQuad = 4;  // rows of W that go together
static_assert(kBlockProductPanel % kQuad == 0);
static_assert(kBlockProductDepth == blocks::kMaxSteps * kStep);

/// The parts of the inputs that are summed in one go, in order. Without inputs there is still one,
/// empty, in which the bias is written.
struct Depth {
  int64_t begin;
  int64_t count;
  bool last;
};
class Depths {
 public:
  explicit Depths(int64_t inputs) : inputs_(inputs) {
    constexpr int64_t kUnit = 256;  // the largest block
    const int64_t cuts = (inputs + kBlockProductDepth - 1) / kBlockProductDepth;
    if (cuts > 0) size_ = (inputs + cuts * kUnit - 1) / (cuts * kUnit) * kUnit;
  }
  int64_t count() const { return std::max<int64_t>(1, (inputs_ + size_ - 1) / size_); }
  Depth at(int64_t i) const {
    return {i * size_, std::min(size_, inputs_ - i * size_), i + 1 == count()};
  }

 private:
  int64_t inputs_;
  int64_t size_ = 1;
};

/// Where the sums of some rows of x and four rows of W go.
struct Quad {
  float* y;
  int64_t y_stride;
  int64_t outputs;    // of the four that exist; the other rows repeat the last
  bool first;         // y starts from 0, not from y
  const float* bias;  // added after that; null: none

  Quad(const BlockProductTask& task, int64_t output, const Depth& depth)
      : y(task.y + output),
        y_stride(task.y_stride),
        outputs(std::min(kQuad, task.last_output - output)),
        first(depth.begin == 0),
        bias(depth.last && task.bias != nullptr ? task.bias + output : nullptr) {}
};

/// The lanes of each added up: a fixed tree, the same whatever stands beside.
HWY_INLINE auto sums_of_four(FloatVector a, FloatVector b, FloatVector c, FloatVector d) {
  const Floats f;
  const hn::Repartition<double, Floats> pairs;
  const FloatVector ab = hn::Add(hn::InterleaveLower(f, a, b), hn::InterleaveUpper(f, a, b));
  const FloatVector cd = hn::Add(hn::InterleaveLower(f, c, d), hn::InterleaveUpper(f, c, d));
  const auto lower = hn::InterleaveLower(pairs, hn::BitCast(pairs, ab), hn::BitCast(pairs, cd));
  const auto upper = hn::InterleaveUpper(pairs, hn::BitCast(pairs, ab), hn::BitCast(pairs, cd));
  const FloatVector abcd = hn::Add(hn::BitCast(f, lower), hn::BitCast(f, upper));
  if constexpr (kLanes == 16) {
    const hn::Half<Floats> half;
    const hn::Half<decltype(half)> quarter;
    const auto two = hn::Add(hn::LowerHalf(half, abcd), hn::UpperHalf(half, abcd));
    return hn::Add(hn::LowerHalf(quarter, two), hn::UpperHalf(quarter, two));
  } else if constexpr (kLanes == 8) {
    const hn::Half<Floats> half;
    return hn::Add(hn::LowerHalf(half, abcd), hn::UpperHalf(half, abcd));
  } else {
    return abcd;
  }
}

/// Fewer than four.
HWY_INLINE void finish_some(const Quad& quad, const float* sums, float* y) {
  for (int64_t n = 0; n < quad.outputs; ++n) {
    const float sum = quad.first ? sums[n] : y[n] + sums[n];
    y[n] = quad.bias == nullptr ? sum : sum + quad.bias[n];
  }
}

template <int kRows>
HWY_INLINE void finish(const Quad& quad, const FloatVector (&sums)[kRows][kQuad]) {
  const hn::FixedTag<float, kQuad> f;
  HEED_UNROLL
  for (int r = 0; r < kRows; ++r) {
    auto four = sums_of_four(sums[r][0], sums[r][1], sums[r][2], sums[r][3]);
    float* y = quad.y + r * quad.y_stride;
    if (quad.outputs == kQuad) {
      if (!quad.first) four = hn::Add(hn::LoadU(f, y), four);
      if (quad.bias != nullptr) four = hn::Add(four, hn::LoadU(f, quad.bias));
      hn::StoreU(four, f, y);
    } else {
      HWY_ALIGN float some[kQuad];
      hn::Store(four, f, some);
      finish_some(quad, some, y);
    }
  }
}

template <int kRows>
HWY_INLINE void clear(FloatVector (&sums)[kRows][kQuad]) {
  HEED_UNROLL
  for (int r = 0; r < kRows; ++r) {
    HEED_UNROLL
    for (int64_t n = 0; n < kQuad; ++n) sums[r][n] = hn::Zero(Floats());
  }
}

/// The inputs of rows of x from `from` to `end`, less than a step, and zeros.
template <int kRows>
struct InputTail {
  HWY_ALIGN float x[kRows][kStep];
  InputTail(const float* rows, int64_t stride, int64_t from, int64_t end) {
    for (int r = 0; r < kRows; ++r) {
      const float* row = rows + r * stride;
      std::fill(std::copy(row + from, row + end, x[r]), x[r] + kStep, 0.0F);
    }
  }
};

}  // namespace block_product_tile
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
