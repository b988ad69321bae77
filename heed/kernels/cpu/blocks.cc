#include "heed/kernels/blocks.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "heed/kernels/cpu/blocks.cc"
#include "heed/kernels/cpu/targets.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// after foreach_target.h
#include "heed/kernels/cpu/blocks-inl.h"

HWY_BEFORE_NAMESPACE();
namespace heed::kernels::HWY_NAMESPACE {

void dequantize(const BlockRows& from, int64_t first, int64_t count, float* to, int64_t stride) {
  blocks::unpack_any({from, first, count, 0, from.columns}, to, stride);
}

}  // namespace heed::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace heed::kernels {

void dequantize(const BlockRows& from, int64_t first, int64_t count, float* to, int64_t stride) {
  if (active_isa() == Isa::reference) return ref::dequantize(from, first, count, to, stride);
  HEED_DISPATCH(dequantize)(from, first, count, to, stride);
}

bool can_quantize(BlockKind kind) {
  switch (kind) {
    case BlockKind::f32:
    case BlockKind::f16:
    case BlockKind::bf16:
    case BlockKind::q4_0:
    case BlockKind::q4_1:
    case BlockKind::q8_0:
      return true;
    default:
      return false;
  }
}

// a model is quantised once, in less time than its file takes to write: scalar code does
void quantize(BlockKind kind, const float* x, int64_t count, std::byte* to) {
  ref::quantize(kind, x, count, to);
}

}  // namespace heed::kernels
#endif
