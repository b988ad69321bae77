// AVX512-BF16's dot product of pairs. Two implementations of the one instruction: the machine's,
// and a scalar twin with the same bits for machines that have none. Included once for each Highway
// target.
#if defined(HEED_KERNELS_CPU_PAIR_DOTS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_PAIR_DOTS_INL_H_
#undef HEED_KERNELS_CPU_PAIR_DOTS_INL_H_
#else
#define HEED_KERNELS_CPU_PAIR_DOTS_INL_H_
#endif

#include <bit>
#include <cfloat>
#include <cmath>
#include <cstdint>

#include "heed/kernels/cpu/vector-inl.h"
#include "hwy/highway.h"

#if HWY_TARGET == HWY_AVX3

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {

/// The instruction, written as assembly so that neither file nor function is compiled for it.
struct MachineDots {
  /// sum[i] + a[i] . b[i], see ScalarDots.
  HWY_INLINE static FloatVector add(FloatVector sum, FloatVector a, FloatVector b) {
    asm("vdpbf16ps %2, %1, %0" : "+v"(sum.raw) : "v"(a.raw), "v"(b.raw));
    return sum;
  }
};

/// The same in scalar code, after the instruction's description in Intel's manual: the second
/// elements' product is added and then the first's, with one rounding each (FMA, to nearest even).
/// Numbers below 2^-126 count as 0, on the way in and out, whatever the thread's rounding modes
/// are.
struct ScalarDots {
  static FloatVector add(FloatVector sum, FloatVector a, FloatVector b) {
    const Floats f;
    HWY_ALIGN float sums[kLanes];
    HWY_ALIGN uint32_t pairs[2][kLanes];
    hn::Store(sum, f, sums);
    hn::Store(a, f, reinterpret_cast<float*>(pairs[0]));
    hn::Store(b, f, reinterpret_cast<float*>(pairs[1]));
    for (int64_t i = 0; i < kLanes; ++i) {
      const float second =
          flushed(std::fma(second_of(pairs[0][i]), second_of(pairs[1][i]), flushed(sums[i])));
      sums[i] = flushed(std::fma(first_of(pairs[0][i]), first_of(pairs[1][i]), second));
    }
    return hn::Load(f, sums);
  }

 private:
  static float flushed(float x) { return std::abs(x) < FLT_MIN ? std::copysign(0.0F, x) : x; }
  static float first_of(uint32_t pair) { return flushed(std::bit_cast<float>(pair << 16)); }
  static float second_of(uint32_t pair) {
    return flushed(std::bit_cast<float>(pair & 0xffff0000U));
  }
};

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // HWY_AVX3

#endif
