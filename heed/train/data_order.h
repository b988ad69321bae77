#pragma once

#include <cstdint>
#include <vector>

namespace heed {

/// Where a run stands in its data: what comes next is batch `batch` of epoch `epoch`.
struct DataPosition {
  int64_t epoch = 0;
  int64_t batch = 0;
  bool operator==(const DataPosition&) const = default;
};

/// 0 to count - 1 in an order that (seed, epoch) alone decide (Fisher-Yates).
std::vector<int64_t> shuffled(int64_t count, uint64_t seed, int64_t epoch);

/// How rows of different lengths are put together.
struct BatchLimits {
  int64_t rows = 32;   // of a batch at most
  int64_t tokens = 0;  // of a batch at most, padding included (a single longer row stands alone);
                       // 0: no limit
  bool by_length = true;  // rows of like lengths go together, which saves padding
};

/// The rows of each batch of an epoch. Every row comes once. With by_length, runs of 100 batches'
/// worth of shuffled rows are sorted by length before they are cut, and the batches are shuffled.
std::vector<std::vector<int64_t>> epoch_batches(const std::vector<int64_t>& lengths,
                                                const BatchLimits& limits, uint64_t seed,
                                                int64_t epoch);

/// All rows in their order, for evaluation: long ones together, nothing drawn.
std::vector<std::vector<int64_t>> ordered_batches(const std::vector<int64_t>& lengths,
                                                  const BatchLimits& limits);

/// The batches of one epoch after another.
class BatchOrder {
 public:
  /// lengths: tokens of each row, at least one row.
  BatchOrder(std::vector<int64_t> lengths, const BatchLimits& limits, uint64_t seed);

  /// The rows at `at`, which moves on to the next batch.
  const std::vector<int64_t>& next(DataPosition& at);
  /// Batches of an epoch (epochs may differ by a few where tokens limit them).
  int64_t size(int64_t epoch);

 private:
  void load(int64_t epoch);

  std::vector<int64_t> lengths_;
  BatchLimits limits_;
  uint64_t seed_;
  int64_t loaded_ = -1;
  std::vector<std::vector<int64_t>> batches_;
};

}  // namespace heed
