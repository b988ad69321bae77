#include "heed/train/data_order.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

#include "heed/base/error.h"
#include "heed/train/draws.h"

namespace heed {
namespace {

constexpr int64_t kBatchesSorted = 100;

using Rows = std::vector<int64_t>;

void shuffle(std::span<int64_t> items, uint64_t seed, uint64_t part) {
  const uint64_t of_part = draw_seed(seed, DrawFor::order, part);
  for (size_t i = items.size(); i > 1; --i) {
    const auto j = static_cast<size_t>(draw_below(static_cast<int64_t>(i), draw(of_part, i)));
    std::swap(items[i - 1], items[j]);
  }
}

/// Cuts rows in their order into batches within the limits.
std::vector<Rows> cut(std::span<const int64_t> rows, const std::vector<int64_t>& lengths,
                      const BatchLimits& limits) {
  std::vector<Rows> batches;
  int64_t longest = 0;
  for (const int64_t row : rows) {
    const int64_t length = lengths[static_cast<size_t>(row)];
    const int64_t count = batches.empty() ? 0 : static_cast<int64_t>(batches.back().size());
    const bool full =
        count == limits.rows ||
        (limits.tokens > 0 && (count + 1) * std::max(longest, length) > limits.tokens);
    if (batches.empty() || full) {
      batches.emplace_back();
      longest = 0;
    }
    batches.back().push_back(row);
    longest = std::max(longest, length);
  }
  return batches;
}

void sort_by_length(std::span<int64_t> rows, const std::vector<int64_t>& lengths) {
  std::ranges::stable_sort(rows, std::ranges::greater{},
                           [&](int64_t row) { return lengths[static_cast<size_t>(row)]; });
}

}  // namespace

std::vector<int64_t> shuffled(int64_t count, uint64_t seed, int64_t epoch) {
  Rows order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), int64_t{0});
  shuffle(order, seed, 2 * static_cast<uint64_t>(epoch));
  return order;
}

std::vector<Rows> epoch_batches(const std::vector<int64_t>& lengths, const BatchLimits& limits,
                                uint64_t seed, int64_t epoch) {
  Rows order = shuffled(static_cast<int64_t>(lengths.size()), seed, epoch);
  if (!limits.by_length) return cut(order, lengths, limits);
  const auto pool = static_cast<size_t>(limits.rows * kBatchesSorted);
  for (size_t begin = 0; begin < order.size(); begin += pool) {
    const size_t size = std::min(pool, order.size() - begin);
    sort_by_length(std::span(order).subspan(begin, size), lengths);
  }
  const std::vector<Rows> sorted = cut(order, lengths, limits);
  Rows places(sorted.size());
  std::iota(places.begin(), places.end(), int64_t{0});
  shuffle(places, seed, 2 * static_cast<uint64_t>(epoch) + 1);
  std::vector<Rows> batches;
  batches.reserve(sorted.size());
  for (const int64_t place : places) batches.push_back(sorted[static_cast<size_t>(place)]);
  return batches;
}

std::vector<Rows> ordered_batches(const std::vector<int64_t>& lengths, const BatchLimits& limits) {
  Rows order(lengths.size());
  std::iota(order.begin(), order.end(), int64_t{0});
  if (limits.by_length) sort_by_length(order, lengths);
  return cut(order, lengths, limits);
}

BatchOrder::BatchOrder(std::vector<int64_t> lengths, const BatchLimits& limits, uint64_t seed)
    : lengths_(std::move(lengths)), limits_(limits), seed_(seed) {
  if (lengths_.empty() || limits_.rows < 1 || limits_.tokens < 0) {
    throw Error(ErrorCode::invalid_argument, "data: needed at least one row and one row a batch");
  }
}

void BatchOrder::load(int64_t epoch) {
  if (epoch == loaded_) return;
  batches_ = epoch_batches(lengths_, limits_, seed_, epoch);
  loaded_ = epoch;
}

int64_t BatchOrder::size(int64_t epoch) {
  load(epoch);
  return static_cast<int64_t>(batches_.size());
}

const Rows& BatchOrder::next(DataPosition& at) {
  load(at.epoch);
  const auto here = static_cast<size_t>(at.batch);
  if (here >= batches_.size()) {
    throw Error(ErrorCode::corrupt_data,
                "data: the position lies behind the epoch's last batch; the checkpoint belongs to "
                "other data");
  }
  at = here + 1 < batches_.size() ? DataPosition{at.epoch, at.batch + 1}
                                  : DataPosition{at.epoch + 1, 0};
  return batches_[here];
}

}  // namespace heed
