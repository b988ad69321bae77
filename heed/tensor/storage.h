#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace heed {

/// A block of bytes that tensors share: of our own (64-byte aligned, recycled when the last tensor
/// goes) or somebody else's memory kept alive by an owner.
class Storage {
 public:
  /// Uninitialised. Throws Error out_of_memory with the size.
  static std::shared_ptr<Storage> allocate(int64_t bytes);
  /// Memory of an owner (a mapped file, say), which must be treated as read-only if it is.
  static std::shared_ptr<Storage> borrow(const std::byte* data, int64_t bytes,
                                         std::shared_ptr<const void> owner);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;

  std::byte* data() const { return data_; }
  int64_t bytes() const { return bytes_; }

 private:
  Storage(std::byte* data, int64_t bytes, std::shared_ptr<const void> owner)
      : data_(data), bytes_(bytes), owner_(std::move(owner)) {}
  std::byte* data_;
  int64_t bytes_;
  std::shared_ptr<const void> owner_;  // null: the block is ours
};

/// Bytes of recycled blocks that are kept for the next tensors; 256 MiB at the start. Training asks
/// for more: a step's tensors all come again in the next one. Returns the limit that was.
int64_t set_cached_memory_limit(int64_t bytes);
/// Returns recycled blocks to the system (after a large batch, say).
void release_cached_memory();

}  // namespace heed
