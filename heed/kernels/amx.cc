#include "heed/kernels/amx.h"

#include <atomic>

#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#endif

namespace heed::kernels {
namespace {

std::atomic<bool> emulated = false;

#if defined(__x86_64__) && defined(__linux__)

bool processor_has_amx() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kBf16 = 1U << 22, kTile = 1U << 24;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kBf16) != 0 && (d & kTile) != 0;
}

/// Whether the system saves the tiles' configuration and data (bits 17 and 18 of XCR0).
bool system_saves_tiles() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr unsigned kOsxsave = 1U << 27, kTiles = 3U << 17;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & kOsxsave) == 0) return false;
  asm("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
  return (a & kTiles) == kTiles;
}

/// Tile data are off in a process that has not asked (Linux 5.16 and newer).
bool system_permits_tiles() {
  constexpr int64_t kRequestPermission = 0x1023, kTileData = 18;  // asm/prctl.h of newer systems
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

#endif

}  // namespace

bool machine_has_amx() {
#if defined(__x86_64__) && defined(__linux__)
  static const bool has = processor_has_amx() && system_saves_tiles() && system_permits_tiles();
  return has;
#else
  return false;
#endif
}

void internal::emulate_tiles(bool on) { emulated = on; }
bool internal::tiles_emulated() { return emulated.load(std::memory_order_relaxed); }

}  // namespace heed::kernels
