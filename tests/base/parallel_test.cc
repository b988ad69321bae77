#include "heed/base/parallel.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

#include "heed/base/error.h"

namespace heed {
namespace {

TEST(Parallel, EachTaskRunsOnceAtAnyThreadCount) {
  for (const int threads : {1, 2, 3, 7}) {
    set_num_threads(threads);
    for (const int64_t tasks : {0, 1, 2, 3, 100, 1000}) {
      std::vector<std::atomic<int>> seen(static_cast<size_t>(tasks));
      std::vector<std::atomic<int>> running(static_cast<size_t>(threads));
      parallel_for(tasks, [&](int64_t task, int worker) {
        EXPECT_EQ(running[static_cast<size_t>(worker)].fetch_add(1), 0);
        seen[static_cast<size_t>(task)].fetch_add(1);
        running[static_cast<size_t>(worker)].fetch_sub(1);
      });
      for (const auto& count : seen) EXPECT_EQ(count.load(), 1);
    }
  }
}

TEST(Parallel, TheOthersDoTheShareOfAThreadThatIsHeldUp) {
  for (const int threads : {2, 5}) {
    set_num_threads(threads);
    constexpr int64_t kTasks = 100;
    for (const int64_t held : {int64_t{0}, kTasks / 2, kTasks - 1}) {
      std::atomic<int64_t> done{0};
      parallel_for(kTasks, [&](int64_t task, int) {
        while (task == held && done < kTasks - 1) std::this_thread::yield();
        done += 1;
      });
      EXPECT_EQ(done.load(), kTasks);
    }
  }
}

TEST(Parallel, ExceptionsReachTheCallerAndThePoolSurvives) {
  set_num_threads(3);
  for (int round = 0; round < 50; ++round) {
    EXPECT_THROW(parallel_for(100,
                              [&](int64_t task, int) {
                                if (task == 40) throw Error(ErrorCode::cancelled, "stop");
                              }),
                 Error);
    std::atomic<int64_t> sum{0};
    parallel_for(10, [&](int64_t task, int) { sum += task; });
    EXPECT_EQ(sum.load(), 45);
  }
}

TEST(Parallel, NestedAndConcurrentCallsRun) {
  set_num_threads(4);
  std::atomic<int64_t> sum{0};
  auto work = [&] {
    for (int round = 0; round < 100; ++round) {
      parallel_for(8, [&](int64_t, int) { parallel_for(5, [&](int64_t t, int) { sum += t; }); });
    }
  };
  std::thread other(work);
  work();
  other.join();
  EXPECT_EQ(sum.load(), 2 * 100 * 8 * 10);
}

TEST(Parallel, NoThreadsIsAnError) { EXPECT_THROW(set_num_threads(0), Error); }

}  // namespace
}  // namespace heed
