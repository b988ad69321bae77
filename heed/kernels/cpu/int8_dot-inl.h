// Products of four neighbouring bytes a lane, added up. Included once for each Highway target.
#if defined(HEED_KERNELS_CPU_INT8_DOT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef HEED_KERNELS_CPU_INT8_DOT_INL_H_
#undef HEED_KERNELS_CPU_INT8_DOT_INL_H_
#else
#define HEED_KERNELS_CPU_INT8_DOT_INL_H_
#endif

#include <cstring>

#include "heed/kernels/cpu/vector-inl.h"
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {
namespace int8 {

using Words = hn::RebindToUnsigned<Floats>;
using WordVector = hn::Vec<Words>;
using Integers = hn::RebindToSigned<Floats>;
using IntegerVector = hn::Vec<Integers>;

/// Four codes of inputs, the same in every lane, as a kind of product wants them:
///   Inputs at(codes)
///   sum + (unsigned bytes of weights . codes), lane by lane
struct WideProducts {
  using Pairs = hn::Repartition<int16_t, Floats>;
  struct Inputs {
    hn::Vec<Pairs> even, odd;
  };
  static HWY_INLINE Inputs at(const int8_t* codes) {
    int32_t four;
    std::memcpy(&four, codes, sizeof(four));
    const auto pairs = hn::BitCast(Pairs(), hn::Set(Integers(), four));
    return {hn::ShiftRight<8>(hn::ShiftLeft<8>(pairs)), hn::ShiftRight<8>(pairs)};
  }
  static HWY_INLINE IntegerVector add(IntegerVector sum, WordVector weights, const Inputs& x) {
    const WordVector mask = hn::Set(Words(), 0x00ff00ffU);
    const auto even = hn::BitCast(Pairs(), hn::And(weights, mask));
    const auto odd = hn::BitCast(Pairs(), hn::And(hn::ShiftRight<8>(weights), mask));
    return hn::Add(sum, hn::Add(pairwise(even, x.even), pairwise(odd, x.odd)));
  }

 private:
  static HWY_INLINE IntegerVector pairwise(hn::Vec<Pairs> a, hn::Vec<Pairs> b) {
    const Integers d;
    IntegerVector rest = hn::Zero(d);
    const IntegerVector sums = hn::ReorderWidenMulAccumulate(d, a, b, hn::Zero(d), rest);
    return hn::RearrangeToOddPlusEven(sums, rest);
  }
};

#if HWY_TARGET == HWY_AVX3
/// AVX-512 VNNI's instruction, as assembly so that the rest of the source need not be compiled for
/// a processor that has it.
struct ByteProducts {
  using Inputs = IntegerVector;
  static HWY_INLINE Inputs at(const int8_t* codes) {
    int32_t four;
    std::memcpy(&four, codes, sizeof(four));
    return hn::Set(Integers(), four);
  }
  static HWY_INLINE IntegerVector add(IntegerVector sum, WordVector weights, const Inputs& x) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sum.raw) : "v"(weights.raw), "v"(x.raw));
    return sum;
  }
};
#endif

}  // namespace int8
}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
