#include "heed/tensor/storage.h"

#include <algorithm>
#include <bit>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "heed/base/error.h"
#include "heed/base/memory.h"

namespace heed {
namespace {

constexpr size_t kAlignment = 64;

// Sizes rise in steps of an eighth of a power of two, so a block is at most 12.5 % larger than
// asked.
size_t size_class(size_t bytes) {
  const size_t step = std::max(kAlignment, std::bit_floor(std::max<size_t>(bytes, 1)) / 8);
  return (bytes + step - 1) / step * step;
}

/// Keeps freed blocks for the next tensor of that size: a model's layers ask for the same few sizes
/// over and over, and fresh pages from the system cost more than the arithmetic on small inputs.
class BlockCache {
 public:
  std::byte* take(size_t bytes) {
    const std::lock_guard lock(mutex_);
    used_bytes_ += bytes;
    const auto found = free_.find(bytes);
    if (found == free_.end() || found->second.empty()) {
      // Batches of changing lengths ask for ever other sizes: what waits for a size to come again
      // is at most as much as was in use at once.
      const size_t most = std::max(most_used_bytes_, used_bytes_);
      if (cached_bytes_ > kUsualLimit && used_bytes_ + cached_bytes_ > 2 * most) drop();
      return nullptr;
    }
    std::byte* block = found->second.back();
    found->second.pop_back();
    cached_bytes_ -= bytes;
    return block;
  }

  void give(std::byte* block, size_t bytes) {
    {
      const std::lock_guard lock(mutex_);
      most_used_bytes_ = std::max(most_used_bytes_, used_bytes_);
      used_bytes_ -= bytes;
      if (cached_bytes_ + bytes <= limit_) {
        free_[bytes].push_back(block);
        cached_bytes_ += bytes;
        return;
      }
    }
    free_memory(block);
  }

  /// What was to be taken was not to be had.
  void forget(size_t bytes) {
    const std::lock_guard lock(mutex_);
    used_bytes_ -= bytes;
  }

  size_t set_limit(size_t bytes) {
    const std::lock_guard lock(mutex_);
    return std::exchange(limit_, bytes);
  }

  void clear() {
    const std::lock_guard lock(mutex_);
    drop();
  }

 private:
  static constexpr size_t kUsualLimit = size_t{256} << 20;

  void drop() {
    for (auto& [bytes, blocks] : free_) {
      for (std::byte* block : blocks) free_memory(block);
      blocks.clear();
    }
    cached_bytes_ = 0;
  }

  std::mutex mutex_;
  std::map<size_t, std::vector<std::byte*>> free_;
  size_t cached_bytes_ = 0;
  size_t used_bytes_ = 0;  // by tensors
  size_t most_used_bytes_ = 0;
  size_t limit_ = kUsualLimit;
};

BlockCache& cache() {
  static auto* instance = new BlockCache;  // never destroyed: tensors may outlive static order
  return *instance;
}

}  // namespace

std::shared_ptr<Storage> Storage::allocate(int64_t bytes) {
  HEED_ASSERT(bytes >= 0);
  const size_t block_bytes = size_class(static_cast<size_t>(std::max<int64_t>(bytes, 1)));
  std::byte* block = cache().take(block_bytes);
  if (block == nullptr) block = allocate_memory(block_bytes);
  if (block == nullptr) {
    cache().clear();
    block = allocate_memory(block_bytes);
  }
  if (block == nullptr) {
    cache().forget(block_bytes);
    throw Error(ErrorCode::out_of_memory,
                "tensor: the system refused " + std::to_string(bytes) + " bytes");
  }
  return std::shared_ptr<Storage>(new Storage(block, bytes, nullptr));
}

std::shared_ptr<Storage> Storage::borrow(const std::byte* data, int64_t bytes,
                                         std::shared_ptr<const void> owner) {
  HEED_ASSERT(owner != nullptr);
  return std::shared_ptr<Storage>(
      new Storage(const_cast<std::byte*>(data), bytes, std::move(owner)));
}

Storage::~Storage() {
  if (owner_ != nullptr) return;
  cache().give(data_, size_class(static_cast<size_t>(std::max<int64_t>(bytes_, 1))));
}

int64_t set_cached_memory_limit(int64_t bytes) {
  HEED_ASSERT(bytes >= 0);
  return static_cast<int64_t>(cache().set_limit(static_cast<size_t>(bytes)));
}

void release_cached_memory() { cache().clear(); }

}  // namespace heed
