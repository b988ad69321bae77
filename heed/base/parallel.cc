#include "heed/base/parallel.h"

#include <sched.h>

#include <atomic>
#include <charconv>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "heed/base/error.h"
#include "heed/base/message.h"

namespace heed {
namespace {

// Workers wait this long in a loop before they sleep: the gap between two operators of a model is
// a few microseconds, a wake-up from sleep costs ten times that.
constexpr std::chrono::microseconds kSpin{60};

void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

int processors() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) return CPU_COUNT(&set);
  const unsigned n = std::thread::hardware_concurrency();
  return n == 0 ? 1 : static_cast<int>(n);
}

constexpr int kMaxThreads = 4096;

int default_threads() {
  if (const char* text = std::getenv("HEED_NUM_THREADS")) {
    const std::string_view digits = text;
    int n = 0;
    const auto [end, error] = std::from_chars(text, text + digits.size(), n);
    if (error == std::errc() && end == text + digits.size() && n >= 1 && n <= kMaxThreads) return n;
    if (!digits.empty()) {
      throw Error(ErrorCode::invalid_argument, "HEED_NUM_THREADS: needed a number from 1 to " +
                                                   std::to_string(kMaxThreads) + ", found " +
                                                   in_quotes(digits));
    }
  }
  return processors();
}

thread_local bool inside_task = false;

/// A fixed crew of threads that runs one job at a time. A worker begins with its own share of the
/// tasks, neighbours in order, so that it finds near what it touched before; then it helps with the
/// others' shares, so a late or slow thread takes fewer. A thread that comes when the tasks are
/// gone is not waited for: a busy machine costs a job no more than the tasks that are under way.
class Pool {
 public:
  explicit Pool(int threads) : shares_(static_cast<size_t>(threads)) {
    for (int worker = 1; worker < threads; ++worker) {
      crew_.emplace_back([this, worker] { serve(worker); });
    }
  }

  ~Pool() {
    {
      const std::lock_guard lock(sleep_mutex_);
      stopping_.store(true);
    }
    wake_.notify_all();
    for (std::thread& thread : crew_) thread.join();
  }

  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  void run(int64_t tasks, internal::TaskRef body) {
    body_ = &body;
    deal(tasks);
    failed_.store(false, std::memory_order_relaxed);
    gate_.store((gate_.load(std::memory_order_relaxed) & ~kLow) + kJob + kOpen);
    if (sleepers_.load() > 0) {
      { const std::lock_guard lock(sleep_mutex_); }  // a worker between its check and its wait
      wake_.notify_all();
    }
    work(0);
    gate_.fetch_and(~kOpen);
    for (int spins = 0; (gate_.load(std::memory_order_acquire) & kLow) != 0; ++spins) {
      spins < 1000 ? relax() : std::this_thread::yield();
    }
    if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
  }

 private:
  // gate_: whether the job takes more workers, how many are at it, and the job's number.
  static constexpr uint64_t kOpen = 1;
  static constexpr uint64_t kWorker = 2;
  static constexpr uint64_t kJob = uint64_t{1} << 20;
  static constexpr uint64_t kLow = kJob - 1;

  /// Tasks [next, end) of one worker; others take from it when theirs are done.
  struct alignas(64) Share {
    std::atomic<int64_t> next{0};
    int64_t end = 0;
  };

  void serve(int worker) {
    for (uint64_t seen = 0;;) {
      wait_for_job(seen);
      if (stopping_.load()) return;
      uint64_t gate = gate_.load();
      seen = gate / kJob;
      while ((gate & kOpen) != 0 && gate / kJob == seen) {
        if (!gate_.compare_exchange_weak(gate, gate + kWorker)) continue;
        work(worker);
        gate_.fetch_sub(kWorker, std::memory_order_release);
        break;
      }
    }
  }

  bool called(uint64_t seen) const {
    const uint64_t gate = gate_.load();
    return gate / kJob != seen && (gate & kOpen) != 0;
  }

  void wait_for_job(uint64_t seen) {
    const auto deadline = std::chrono::steady_clock::now() + kSpin;
    while (std::chrono::steady_clock::now() < deadline) {
      for (int i = 0; i < 64; ++i) {
        if (called(seen)) return;
        relax();
      }
      std::this_thread::yield();  // on a busy machine the caller may be waiting for this processor
    }
    std::unique_lock lock(sleep_mutex_);
    sleepers_.fetch_add(1);
    wake_.wait(lock, [&] { return called(seen) || stopping_.load(); });
    sleepers_.fetch_sub(1);
  }

  /// Even shares, the larger ones first: the caller, which is there at once, holds one of them.
  void deal(int64_t tasks) {
    const auto workers = static_cast<int64_t>(shares_.size());
    int64_t next = 0;
    for (int64_t worker = 0; worker < workers; ++worker) {
      Share& share = shares_[static_cast<size_t>(worker)];
      share.next.store(next, std::memory_order_relaxed);
      next += tasks / workers + (worker < tasks % workers ? 1 : 0);
      share.end = next;
    }
  }

  void work(int worker) {
    inside_task = true;
    try {
      const size_t workers = shares_.size();
      for (size_t i = 0; i < workers; ++i) {
        work_off(shares_[(static_cast<size_t>(worker) + i) % workers], worker);
      }
    } catch (...) {
      const std::lock_guard lock(error_mutex_);
      if (!error_) error_ = std::current_exception();
      failed_.store(true, std::memory_order_relaxed);
    }
    inside_task = false;
  }

  void work_off(Share& share, int worker) {
    while (share.next.load(std::memory_order_relaxed) < share.end &&
           !failed_.load(std::memory_order_relaxed)) {
      const int64_t task = share.next.fetch_add(1, std::memory_order_relaxed);
      if (task < share.end) (*body_)(task, worker);
    }
  }

  std::vector<Share> shares_;
  std::vector<std::thread> crew_;
  internal::TaskRef* body_ = nullptr;
  alignas(64) std::atomic<uint64_t> gate_{0};
  alignas(64) std::atomic<int> sleepers_{0};
  std::atomic<bool> stopping_{false};
  std::atomic<bool> failed_{false};
  std::mutex error_mutex_;
  std::exception_ptr error_;
  std::mutex sleep_mutex_;
  std::condition_variable wake_;
};

std::mutex pool_mutex;  // held while a job runs: a second caller does its tasks alone
std::unique_ptr<Pool> pool;
int pool_threads = 0;
std::atomic<int> wanted_threads{0};

void run_alone(int64_t tasks, internal::TaskRef body) {
  for (int64_t task = 0; task < tasks; ++task) body(task, 0);
}

}  // namespace

int num_threads() {
  int n = wanted_threads.load(std::memory_order_relaxed);
  if (n == 0) {
    n = default_threads();
    wanted_threads.store(n, std::memory_order_relaxed);
  }
  return n;
}

void set_num_threads(int n) {
  if (n < 1) {
    throw Error(ErrorCode::invalid_argument,
                "threads: needed at least 1, found " + std::to_string(n));
  }
  wanted_threads.store(n);
}

namespace internal {

void run_tasks(int64_t tasks, TaskRef body) {
  const int threads = num_threads();
  if (threads == 1 || inside_task) return run_alone(tasks, body);
  const std::unique_lock lock(pool_mutex, std::try_to_lock);
  if (!lock.owns_lock()) return run_alone(tasks, body);
  if (pool_threads != threads) {
    pool.reset();
    pool = std::make_unique<Pool>(threads);
    pool_threads = threads;
  }
  pool->run(tasks, body);
}

}  // namespace internal
}  // namespace heed
