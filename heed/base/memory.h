#pragma once

#include <cstddef>
#include <cstdint>

namespace heed {

/// Uninitialised memory, 64-byte aligned; null if the system refuses. From 2 MiB on it asks for
/// huge pages: rows that lie apart (heads of a projection, panels of weights) cost address look-ups
/// otherwise. The part past the last whole huge page keeps small ones, so none is spent on it.
std::byte* allocate_memory(size_t bytes);
void free_memory(void* memory);
/// Blocks that allocate_memory was asked for since the process began: how a test sees that work
/// which comes again asks for none.
uint64_t allocated_so_far();

}  // namespace heed
