#include "heed/kernels/bf16_dots.h"

#include <atomic>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "heed/kernels/maker.h"

namespace heed::kernels {
namespace {

std::atomic<bool> emulated = false;

#if defined(__x86_64__)

bool processor_has_bf16_dots() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kBf16 = 1U << 5;
  return __get_cpuid_count(7, 1, &a, &b, &c, &d) != 0 && (a & kBf16) != 0;
}

#endif

}  // namespace

bool machine_has_bf16_dots() {
#if defined(__x86_64__)
  static const bool has = processor_has_bf16_dots();
  return has;
#else
  return false;
#endif
}

// Measured on both: twice the operations of f32's multiply-add on AMD's Zen 4, half of them on
// Intel's servers (docs/decisions/0018-bf16-dot-products.md). Nothing but the maker tells them
// apart.
bool bf16_dots_pay() {
#if defined(__x86_64__)
  static const bool pay = machine_has_bf16_dots() && made_by_amd();
  return pay;
#else
  return false;
#endif
}

void internal::emulate_dots(bool on) { emulated = on; }
bool internal::dots_emulated() { return emulated.load(std::memory_order_relaxed); }

}  // namespace heed::kernels
