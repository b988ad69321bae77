#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace heed::kernels {

/// Instruction sets that kernels are written for, from least to most.
enum class Isa : uint8_t {
  reference,    // readable scalar code: the law, and what older machines run
  avx2,         // with FMA, BMI2, F16C
  avx512,       // F, BW, CD, DQ, VL
  avx512_bf16,  // dot products of bf16, which attention uses; avx512 for everything else
  amx,          // tile products of bf16, the same
  neon,         // AArch64; machines with SVE run this too (cpu/targets.h says why)
};

/// "reference", "avx2" and so on.
std::string_view to_string(Isa isa);

/// Whether isa is avx512 but for attention of bf16, which has products of pairs.
constexpr bool multiplies_pairs(Isa isa) { return isa == Isa::avx512_bf16 || isa == Isa::amx; }

/// Those this machine can run, reference first, best last: avx512_bf16 comes after avx512 only
/// where the processor's dot products are the faster ones (bf16_dots.h).
const std::vector<Isa>& available_isas();

/// The one that kernels use: the best available, or what HEED_ISA names (an unknown or unavailable
/// name is an Error invalid_argument that lists the available ones).
Isa active_isa();

/// Uses isa from now on (tests). Error invalid_argument if this machine cannot.
void pin_isa(Isa isa);

/// One operation and the source that serves it on this machine now.
struct KernelInfo {
  std::string_view op;  // "attention"
  std::string source;   // "kernels/cpu/attention.cc"
  Isa isa;
  std::string why;  // "best of reference, avx2, avx512"
};
/// Every operation that has kernels, in name order (`heed doctor` prints it).
std::vector<KernelInfo> kernel_table();

}  // namespace heed::kernels
