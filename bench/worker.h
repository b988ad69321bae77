// What the C++ sides of bench/attention.py and train.py share: the answers to its jobs, one JSON
// object a line. Of Heed's headers this needs none, so that a peer is built without Heed.
#pragma once

#include <time.h>

#include <cstdint>
#include <fstream>
#include <functional>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace heed::bench {

using Job = nlohmann::json;

/// A job that this peer cannot do; says why.
struct Unsupported : std::runtime_error {
  using std::runtime_error::runtime_error;
};

/// An attention problem, its inputs in memory. Its constructor takes a Job.
class Problem {
 public:
  virtual ~Problem() = default;
  virtual void run() = 0;
  /// What the last run computed, as f32, each tensor [B, T, H, D].
  virtual void save(std::ofstream& file) const = 0;
  /// Outputs that a run allocates.
  virtual int64_t new_bytes() const = 0;
};
using MakeProblem = std::function<std::unique_ptr<Problem>(const Job&)>;

/// The clock of every benchmark, in seconds: with one thread the processor time of the process,
/// which other programs do not add to; with several the clock on the wall.
inline double now(int threads) {
  timespec time{};
  clock_gettime(threads == 1 ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

inline double seconds_of(Problem& problem, int calls, int threads) {
  const double start = now(threads);
  for (int call = 0; call < calls; ++call) problem.run();
  return (now(threads) - start) / calls;
}

inline Job time_runs(Problem& problem, const Job& job) {
  if (job.at("warm")) problem.run();  // caches, after the other peers' turns
  if (job.contains("out")) {
    std::ofstream file(job.at("out").get<std::string>(), std::ios::binary);
    problem.save(file);
  }
  std::vector<double> seconds;
  for (int i = 0; i < job.at("repeat").get<int>(); ++i) {
    seconds.push_back(seconds_of(problem, job.at("calls"), job.at("threads")));
  }
  return {{"seconds", seconds}};
}

/// Kilobytes that /proc/self/status gives for a line.
inline int64_t memory_kb(const std::string& line) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    if (word == line + ":" && status >> word) return std::stoll(word);
  }
  throw std::runtime_error("no " + line + " in /proc/self/status");
}

/// Peak memory of one run above what was there before it and its outputs. It is the process's first
/// run, so the scratch that is kept from run to run counts. (Linux counts pages to about 0.3 MB a
/// thread.)
inline Job measure_memory(const MakeProblem& make, const Job& job) {
  const auto problem = make(job);
  std::ofstream("/proc/self/clear_refs") << "5";  // the peak starts anew
  const int64_t before = memory_kb("VmRSS");
  const double seconds = seconds_of(*problem, 1, job.at("threads"));
  const int64_t peak = (memory_kb("VmHWM") - before) * 1024;
  return {{"seconds", seconds}, {"peak_bytes", peak - problem->new_bytes()}};
}

/// Answers jobs until there are no more. A problem is kept while its key is asked for.
inline int serve(const MakeProblem& make, const std::function<Job(const Job&)>& other) {
  std::string key;
  std::unique_ptr<Problem> problem;
  const auto answer = [&](const Job& job) -> Job {
    if (job.contains("memory")) return measure_memory(make, job);
    if (!job.contains("key")) return other(job);
    if (!problem || job.at("key") != key) {
      problem = nullptr;  // frees its memory first
      problem = make(job);
      key = job.at("key").get<std::string>();
    }
    return time_runs(*problem, job);
  };
  for (std::string line; std::getline(std::cin, line);) {
    Job reply;
    try {
      reply = answer(Job::parse(line));
    } catch (const Unsupported& why) {
      reply = {{"unsupported", why.what()}};
    }
    std::cout << reply.dump() << std::endl;
  }
  return 0;
}

}  // namespace heed::bench
