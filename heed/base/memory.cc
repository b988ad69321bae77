#include "heed/base/memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>

namespace heed {
namespace {

std::atomic<uint64_t> allocated{0};

}  // namespace

std::byte* allocate_memory(size_t bytes) {
  constexpr size_t kCacheLine = 64;
  constexpr size_t kHugePage = size_t{2} << 20;
  const size_t rounded = (std::max<size_t>(bytes, 1) + kCacheLine - 1) / kCacheLine * kCacheLine;
  allocated.fetch_add(1, std::memory_order_relaxed);
  void* block = nullptr;
  if (posix_memalign(&block, rounded >= kHugePage ? kHugePage : kCacheLine, rounded) != 0) {
    return nullptr;
  }
  // A wish: systems without huge pages refuse it, and the memory is as good.
  if (rounded >= kHugePage) madvise(block, rounded / kHugePage * kHugePage, MADV_HUGEPAGE);
  return static_cast<std::byte*>(block);
}

void free_memory(void* memory) { std::free(memory); }  // NOLINT(cppcoreguidelines-no-malloc)

uint64_t allocated_so_far() { return allocated.load(std::memory_order_relaxed); }

}  // namespace heed
