// Panels of quantised weights laid out for products of bytes, outputs in lanes. Included once for
// each Highway target.
#if defined(HEED_KERNELS_CPU_INT8_PANEL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_INT8_PANEL_INL_H_
#undef HEED_KERNELS_CPU_INT8_PANEL_INL_H_
#else
#define HEED_KERNELS_CPU_INT8_PANEL_INL_H_
#endif

#include <algorithm>
#include <utility>

#include "heed/kernels/cpu/int8_codes-inl.h"
#include "heed/kernels/cpu/transpose-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace int8 {

constexpr int64_t kMaxSteps = blocks::kMaxSteps;  // of a depth: what is unpacked at once
constexpr int64_t kFours = kInt8Step / 4;         // of a step

/// Some steps of the inputs.
struct Depth {
  int64_t first;
  int64_t steps;
};

/// A depth of kInt8Panel rows of W; rows past the last repeat it.
struct Panel {
  float codes[kMaxSteps * kFours][kInt8Panel];  // four bytes each: inputs 4 i to 4 i + 3 of a row
  float scales[2 * kMaxSteps][kInt8Panel];      // d and m (q6_k: d of each half) of a step
  float row_codes[kInt8Panel][kMaxSteps * kFours];
  float row_scales[kInt8Panel][blocks::kScales];

  template <BlockKind kKind>
  HWY_INLINE void unpack(const BlockRows& weights, int64_t first, int64_t count,
                         const Depth& depth) {
    for (int64_t n = 0; n < count; ++n) {
      const std::byte* row = weights.row(first + n);
      blocks::Unpacker<kKind>::scales(row, depth.first, depth.steps, row_scales[n]);
      auto* to = reinterpret_cast<uint8_t*>(row_codes[n]);
      for (int64_t s = 0; s < depth.steps; ++s, to += kInt8Step) {
        hn::Store(Codes<kKind>::template half<0>(row, depth.first + s), Bytes16(), to);
        hn::Store(Codes<kKind>::template half<1>(row, depth.first + s), Bytes16(), to + 16);
      }
    }
    const auto same = [](FloatVector x) HWY_ATTR { return x; };
    tile_from_rows(row_codes[0], kMaxSteps * kFours, count, depth.steps * kFours, same, codes[0],
                   kInt8Panel);
    tile_from_rows(row_scales[0], blocks::kScales, count, 2 * depth.steps, same, scales[0],
                   kInt8Panel);
  }
};
static_assert(sizeof(Panel) % 64 == 0);

}  // namespace int8
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
