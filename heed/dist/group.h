#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace heed {

/// Communication that goes on while the process computes. What it reads and writes must live and be
/// left alone until it is done.
class Pending {
 public:
  virtual ~Pending() = default;
  /// Whether it is done. Does not wait; what goes on underneath may need to be asked now and then.
  virtual bool poll() = 0;
  virtual void wait() = 0;
};

/// Processes that work on one thing, numbered from 0 on. Each of them calls the same methods in the
/// same order, from one thread. What they compute together is the same bits in every run of as many
/// processes. Errors: io_failure from the system underneath; whoever catches one ends its process,
/// because the others may be waiting for it.
class Group {
 public:
  virtual ~Group() = default;
  virtual int rank() const = 0;
  virtual int size() const = 0;
  /// Whether this process is the one that writes files and talks.
  bool is_first() const { return rank() == 0; }
  /// Processors of its machine that are this process's share, at least 1.
  virtual int processors() const = 0;

  virtual void barrier() = 0;
  /// The bytes of process 0, at all.
  virtual void broadcast(std::span<std::byte> bytes) = 0;
  /// Each one's bytes, by rank, at process 0; nothing at the others.
  virtual std::vector<std::string> gather(std::string_view mine) = 0;
  /// Each one's numbers, equally many, by rank, at all.
  virtual std::vector<double> all_gather(std::span<const double> mine) = 0;

  /// Begins to sum up over the processes: counts [size] says how many of the values, one after
  /// another, belong to each process. When it is done the part of this process holds the sum of
  /// all processes' numbers, added in the order of ranks; the other parts are as they were.
  std::unique_ptr<Pending> start_sum(std::span<float> values, std::span<const int64_t> counts);
  /// Begins to hand out: when it is done each process has every part as its owner had it.
  virtual std::unique_ptr<Pending> start_share(std::span<float> values,
                                               std::span<const int64_t> counts) = 0;
  /// Every value becomes the sum of all processes', added in the order of ranks: start_sum and
  /// start_share of even parts.
  void all_reduce(std::span<float> values);
  /// The text of process 0, at all.
  std::string broadcast_text(std::string text);
  /// Says that all processes are about to end, by an exception: the group is left in order, so that
  /// no launcher sees to their end.
  void end_in_order() { ends_in_order_ = true; }

 protected:
  bool ends_in_order() const { return ends_in_order_; }
  /// Begins to send part r of the values to process r, and to receive what the others send this
  /// one: counts[rank()] numbers of each, by rank, this one's own left out.
  virtual std::unique_ptr<Pending> start_exchange(std::span<const float> values,
                                                  std::span<const int64_t> counts,
                                                  std::span<float> received) = 0;

 private:
  bool ends_in_order_ = false;
};

/// Cuts `count` numbers into as many even parts as there are processes.
std::vector<int64_t> even_parts(int64_t count, int processes);

/// The processes that mpirun (or another launcher of Open MPI's) started this one with; otherwise a
/// group of one. Made once a process. A group that is destroyed while an exception is on its way
/// does not wait for the others (but see end_in_order): the process is to end then, and the
/// launcher ends the rest. Error unsupported if there are several processes and Heed was built
/// without MPI.
std::unique_ptr<Group> make_group();
/// This process alone.
std::unique_ptr<Group> single_process();

}  // namespace heed
