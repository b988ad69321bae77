#include "heed/kernels/maker.h"

#if defined(__x86_64__)
#include <cpuid.h>

#include <cstring>
#endif

namespace heed::kernels {

#if defined(__x86_64__)

namespace {

bool processor_is_amd() {
  unsigned a = 0;
  char name[12] = {};  // in this order of registers
  unsigned b = 0, c = 0, d = 0;
  if (__get_cpuid(0, &a, &b, &c, &d) == 0) return false;
  std::memcpy(name, &b, 4);
  std::memcpy(name + 4, &d, 4);
  std::memcpy(name + 8, &c, 4);
  return std::memcmp(name, "AuthenticAMD", sizeof(name)) == 0;
}

}  // namespace

bool made_by_amd() {
  static const bool amd = processor_is_amd();
  return amd;
}

#else

bool made_by_amd() { return false; }

#endif

}  // namespace heed::kernels
