#include "heed/dist/group.h"

#include <algorithm>
#include <array>
#include <cstdlib>

#include "heed/base/parallel.h"
#include "heed/dist/launched.h"
#include "heed/tensor/tensor.h"

namespace heed {
namespace {

constexpr int64_t kNumbersPerTask = 1 << 14;
constexpr int64_t kNumbersAtOnce = 1 << 10;  // stay in L1

using Parts = std::vector<const float*>;

/// to = ((part 0 + part 1) + part 2) + ...; `to` may be one of them.
void add_up(const Parts& parts, float* to, int64_t begin, int64_t end) {
  std::array<float, kNumbersAtOnce> sums{};
  for (int64_t at = begin; at < end; at += kNumbersAtOnce) {
    const int64_t n = std::min(kNumbersAtOnce, end - at);
    std::copy_n(parts.front() + at, n, sums.data());
    for (size_t part = 1; part < parts.size(); ++part) {
      const float* from = parts[part] + at;
      for (int64_t i = 0; i < n; ++i) sums[static_cast<size_t>(i)] += from[i];
    }
    std::copy_n(sums.data(), n, to + at);
  }
}

/// Numbers on their way to their owners, who add them up.
class PendingSum : public Pending {
 public:
  PendingSum(std::span<float> own, int rank, int size)
      : own_(own),
        rank_(rank),
        size_(size),
        received_(Tensor::empty({static_cast<int64_t>(own.size()) * (size - 1)})) {}

  std::span<float> received() { return received_.span<float>(); }
  void started(std::unique_ptr<Pending> exchange) { exchange_ = std::move(exchange); }

  bool poll() override {
    if (exchange_ != nullptr && exchange_->poll()) finish();
    return exchange_ == nullptr;
  }
  void wait() override {
    if (exchange_ == nullptr) return;
    exchange_->wait();
    finish();
  }

 private:
  void finish() {
    exchange_ = nullptr;
    Parts parts;
    const float* next = received_.data<float>();
    for (int rank = 0; rank < size_; ++rank) {
      parts.push_back(rank == rank_ ? own_.data() : next);
      if (rank != rank_) next += own_.size();
    }
    const auto count = static_cast<int64_t>(own_.size());
    parallel_for((count + kNumbersPerTask - 1) / kNumbersPerTask, [&](int64_t task, int) {
      add_up(parts, own_.data(), task * kNumbersPerTask,
             std::min(count, (task + 1) * kNumbersPerTask));
    });
    received_ = Tensor();
  }

  std::span<float> own_;
  int rank_, size_;
  Tensor received_;
  std::unique_ptr<Pending> exchange_;
};

/// A launcher tells its processes so: Open MPI's mpirun, or PMIx (Slurm's srun --mpi=pmix).
bool was_launched() {
  return std::getenv("OMPI_COMM_WORLD_SIZE") != nullptr || std::getenv("PMIX_RANK") != nullptr;
}

}  // namespace

std::unique_ptr<Pending> Group::start_sum(std::span<float> values,
                                          std::span<const int64_t> counts) {
  const auto own = static_cast<size_t>(rank());
  size_t before = 0;
  for (size_t i = 0; i < own; ++i) before += static_cast<size_t>(counts[i]);
  auto sum = std::make_unique<PendingSum>(values.subspan(before, static_cast<size_t>(counts[own])),
                                          rank(), size());
  sum->started(start_exchange(values, counts, sum->received()));
  return sum;
}

void Group::all_reduce(std::span<float> values) {
  const std::vector<int64_t> parts = even_parts(static_cast<int64_t>(values.size()), size());
  start_sum(values, parts)->wait();
  start_share(values, parts)->wait();
}

std::string Group::broadcast_text(std::string text) {
  uint64_t bytes = text.size();
  broadcast(std::as_writable_bytes(std::span(&bytes, 1)));
  text.resize(bytes);
  broadcast(std::as_writable_bytes(std::span(text)));
  return text;
}

std::vector<int64_t> even_parts(int64_t count, int processes) {
  std::vector<int64_t> parts;
  for (int64_t rank = 0; rank < processes; ++rank) {
    parts.push_back(count * (rank + 1) / processes - count * rank / processes);
  }
  return parts;
}

std::unique_ptr<Group> make_group() {
  return was_launched() ? internal::make_launched_group() : single_process();
}

}  // namespace heed
