#include "heed/kernels/int8_dots.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "heed/kernels/cpu/int8_dots.cc"
#include "heed/kernels/cpu/targets.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

using Sums = hn::ScalableTag<int32_t>;
using Wide = hn::Repartition<int16_t, Sums>;
using Codes = hn::Rebind<int8_t, Wide>;
constexpr int64_t kWide = hn::MaxLanes(Wide());  // exact: targets.h leaves out scalable vectors
static_assert(kInt8Step % kWide == 0);

/// Products of 16 bits, added in pairs: a pair of codes times a query below 2^15 is below 2^23.
/// (Instructions for bytes alone would want the query in 8 bits too, and memory is what limits.)
template <int kRows>
HWY_INLINE void dots_of(const int8_t* codes, int64_t width, const int16_t* query, int32_t* dots) {
  const Sums d32;
  const Wide d16;
  const Codes d8;
  hn::Vec<Sums> sums[kRows];
  hn::Vec<Sums> more[kRows];  // on Arm the upper halves' products go here
  HEED_UNROLL
  for (int r = 0; r < kRows; ++r) sums[r] = more[r] = hn::Zero(d32);
  for (int64_t k = 0; k < width; k += kWide) {
    const auto q = hn::LoadU(d16, query + k);
    HEED_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const auto c = hn::PromoteTo(d16, hn::LoadU(d8, codes + r * width + k));
      sums[r] = hn::ReorderWidenMulAccumulate(d32, c, q, sums[r], more[r]);
    }
  }
  HEED_UNROLL
  for (int r = 0; r < kRows; ++r) {
    dots[r] = hn::GetLane(hn::SumOfLanes(d32, hn::Add(sums[r], more[r])));
  }
}

}  // namespace

void int8_dots(const int8_t* codes, int64_t count, int64_t width, const int16_t* query,
               int32_t* dots) {
  constexpr int kRows = 4;  // that share a load of the query
  int64_t i = 0;
  for (; i + kRows <= count; i += kRows) dots_of<kRows>(codes + i * width, width, query, dots + i);
  for (; i < count; ++i) dots_of<1>(codes + i * width, width, query, dots + i);
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace heed::kernels {

void int8_dots(const int8_t* codes, int64_t count, int64_t width, const int16_t* query,
               int32_t* dots) {
  if (active_isa() == Isa::reference) return ref::int8_dots(codes, count, width, query, dots);
  HEED_DISPATCH(int8_dots)(codes, count, width, query, dots);
}

}  // namespace heed::kernels
#endif
