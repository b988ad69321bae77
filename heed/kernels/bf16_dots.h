#pragma once

namespace heed::kernels {

/// Whether the processor has AVX512-BF16's dot product of pairs.
bool machine_has_bf16_dots();

/// Whether that does more than a multiply-add of f32 in the same time.
bool bf16_dots_pay();

namespace internal {

/// Lets Isa::avx512_bf16 be pinned where the machine lacks it and computes the dot products in
/// scalar code (cpu/pair_dots-inl.h), so that tests hold their kernel to the law everywhere. Needs
/// AVX-512.
void emulate_dots(bool on);
bool dots_emulated();

}  // namespace internal
}  // namespace heed::kernels
