// Which instruction sets Heed's Highway sources are compiled for. A vector source begins
//
//   #undef HWY_TARGET_INCLUDE
//   #define HWY_TARGET_INCLUDE "heed/kernels/cpu/<op>.cc"
//   #include "heed/kernels/cpu/targets.h"  // before any Highway header
//   #include "hwy/foreach_target.h"        // IWYU pragma: keep
//   #include "hwy/highway.h"
//
// then HWY_BEFORE_NAMESPACE(); namespace heed::kernels::HWY_NAMESPACE { ... }
// HWY_AFTER_NAMESPACE(); and under `#if HWY_ONCE` the wrapper, which calls kernels::ref for
// Isa::reference and HEED_DISPATCH(function)(...) otherwise.
#pragma once

#include "heed/kernels/dispatch.h"

// Highway compiles a source for its baseline (what the compiler's flags allow) and for everything
// better. Heed's baseline on x86 is AVX2: a machine with less runs the reference, so scalar and SSE
// copies of every kernel would only cost compile time. The target attributes that Highway puts
// around the code let the compiler use AVX2 there and nowhere else.
// On Arm it is NEON: Highway's SVE vectors have no size known to the compiler, so they cannot be
// elements of the arrays that hold a kernel's accumulators, and every SVE machine has NEON. (Arrays
// of structs that have vectors for members are declared with = {}: GCC compiles a struct's own
// default constructor without the target's attributes and then cannot inline the vectors' into it.)
#if defined(__x86_64__)
#define HWY_BASELINE_TARGETS HWY_AVX2
#define HEED_DISPATCH(function)                                                    \
  (::heed::kernels::active_isa() == ::heed::kernels::Isa::avx2 ? &N_AVX2::function \
                                                               : &N_AVX3::function)
#elif defined(__aarch64__)
#define HWY_BASELINE_TARGETS HWY_NEON
#define HWY_DISABLED_TARGETS (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128)
#define HEED_DISPATCH(function) (&N_NEON::function)
#else
#define HWY_COMPILE_ONLY_SCALAR  // compiled so that the source stays checked; never chosen
#define HEED_DISPATCH(function) (&N_SCALAR::function)
#endif

// Unrolls a loop of few, constant steps fully, so that an array of accumulators becomes registers.
#if defined(__clang__)
#define HEED_UNROLL _Pragma("unroll")
#else
#define HEED_UNROLL _Pragma("GCC unroll 16")
#endif
