// A group of processes over Open MPI. Sums are made of exchanges, not of MPI_Allreduce, whose order
// of additions is the library's own affair (docs/decisions/0016-several-processes.md).

#define OMPI_SKIP_MPICXX 1  // the C++ bindings of MPI 2 bring their library and warnings
#include <mpi.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <limits>
#include <string>

#include "heed/base/error.h"
#include "heed/base/log.h"
#include "heed/dist/launched.h"

namespace heed {
namespace {

// MPI counts with int: long messages go in parts.
constexpr int64_t kMostBytes = 1 << 30;
constexpr int kTag = 0;

void check(int status, const char* what) {
  if (status == MPI_SUCCESS) return;
  std::string text(MPI_MAX_ERROR_STRING, '\0');
  int length = 0;
  MPI_Error_string(status, text.data(), &length);
  text.resize(static_cast<size_t>(length));
  throw Error(ErrorCode::io_failure, "processes: " + std::string(what) + ": " + text);
}

int int_of(int64_t count) {
  if (count <= std::numeric_limits<int>::max()) return static_cast<int>(count);
  throw Error(ErrorCode::unsupported,
              "processes: needed parts of at most 2^31 numbers at once, found " +
                  std::to_string(count) + "; use more processes");
}

/// Counts and places as MPI takes them.
struct Layout {
  std::vector<int> counts, places;

  void add(int64_t count, int64_t place) {
    counts.push_back(int_of(count));
    places.push_back(int_of(place));
  }
};

class PendingRequest : public Pending {
 public:
  PendingRequest() = default;
  ~PendingRequest() override = default;
  PendingRequest(const PendingRequest&) = delete;
  PendingRequest& operator=(const PendingRequest&) = delete;

  bool poll() override {
    int done = 0;
    check(MPI_Test(&request, &done, MPI_STATUS_IGNORE), "communication");
    return done != 0;
  }
  void wait() override { check(MPI_Wait(&request, MPI_STATUS_IGNORE), "communication"); }

  MPI_Request request = MPI_REQUEST_NULL;
  Layout sent, received;  // are read until it is done
};

std::vector<cpu_set_t> masks_of(MPI_Comm machine, const cpu_set_t& mine) {
  int size = 0;
  check(MPI_Comm_size(machine, &size), "processes of this machine");
  std::vector<cpu_set_t> all(static_cast<size_t>(size));
  check(MPI_Allgather(&mine, sizeof(mine), MPI_BYTE, all.data(), sizeof(mine), MPI_BYTE, machine),
        "processors");
  return all;
}

/// A processor that several processes may run on is shared evenly.
double share_of(const cpu_set_t& mine, const std::vector<cpu_set_t>& all) {
  double share = 0;
  for (int processor = 0; processor < CPU_SETSIZE; ++processor) {
    if (!CPU_ISSET(processor, &mine)) continue;
    const auto users = std::ranges::count_if(
        all, [&](const cpu_set_t& mask) { return CPU_ISSET(processor, &mask); });
    share += 1.0 / static_cast<double>(users);
  }
  return share;
}

/// mpirun binds each of two processes to one processor unless told otherwise. What it may use
/// itself is what it could have given them.
void warn_if_bound(int share, size_t processes) {
  cpu_set_t launchers;
  if (sched_getaffinity(getppid(), sizeof(launchers), &launchers) != 0) return;
  const int could_be = CPU_COUNT(&launchers) / static_cast<int>(processes);
  if (could_be <= share) return;
  log(LogLevel::warning, "each process is bound to " + std::to_string(share) +
                             " of this machine's processors and could use " +
                             std::to_string(could_be) + ": mpirun --bind-to none");
}

class MpiGroup : public Group {
 public:
  MpiGroup() : exceptions_(std::uncaught_exceptions()) {
    int provided = 0;
    check(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &provided), "start");
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    check(MPI_Comm_rank(MPI_COMM_WORLD, &rank_), "rank");
    check(MPI_Comm_size(MPI_COMM_WORLD, &size_), "size");
    processors_ = count_processors();
  }
  ~MpiGroup() override {
    if (std::uncaught_exceptions() == exceptions_ || ends_in_order()) MPI_Finalize();
  }
  MpiGroup(const MpiGroup&) = delete;
  MpiGroup& operator=(const MpiGroup&) = delete;

  int rank() const override { return rank_; }
  int size() const override { return size_; }
  int processors() const override { return processors_; }

  void barrier() override { check(MPI_Barrier(MPI_COMM_WORLD), "barrier"); }

  void broadcast(std::span<std::byte> bytes) override {
    for (size_t at = 0; at < bytes.size(); at += kMostBytes) {
      const auto part = bytes.subspan(at, std::min(bytes.size() - at, size_t{kMostBytes}));
      check(MPI_Bcast(part.data(), static_cast<int>(part.size()), MPI_BYTE, 0, MPI_COMM_WORLD),
            "broadcast");
    }
  }

  std::vector<std::string> gather(std::string_view mine) override {
    const int64_t bytes = static_cast<int64_t>(mine.size());
    std::vector<int64_t> sizes(static_cast<size_t>(size_));
    check(MPI_Gather(&bytes, 1, MPI_INT64_T, sizes.data(), 1, MPI_INT64_T, 0, MPI_COMM_WORLD),
          "gather");
    if (!is_first()) {
      for_parts(bytes, [&](int64_t at, int count) {
        check(MPI_Send(mine.data() + at, count, MPI_BYTE, 0, kTag, MPI_COMM_WORLD), "gather");
      });
      return {};
    }
    std::vector<std::string> all{std::string(mine)};
    for (int from = 1; from < size_; ++from) {
      all.emplace_back(static_cast<size_t>(sizes[static_cast<size_t>(from)]), '\0');
      for_parts(sizes[static_cast<size_t>(from)], [&](int64_t at, int count) {
        check(MPI_Recv(all.back().data() + at, count, MPI_BYTE, from, kTag, MPI_COMM_WORLD,
                       MPI_STATUS_IGNORE),
              "gather");
      });
    }
    return all;
  }

  std::vector<double> all_gather(std::span<const double> mine) override {
    std::vector<double> all(mine.size() * static_cast<size_t>(size_));
    const auto count = static_cast<int>(mine.size());
    check(MPI_Allgather(mine.data(), count, MPI_DOUBLE, all.data(), count, MPI_DOUBLE,
                        MPI_COMM_WORLD),
          "all_gather");
    return all;
  }

  std::unique_ptr<Pending> start_share(std::span<float> values,
                                       std::span<const int64_t> counts) override {
    auto pending = std::make_unique<PendingRequest>();
    int64_t place = 0;
    for (const int64_t count : counts) {
      pending->received.add(count, place);
      place += count;
    }
    check(MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_FLOAT, values.data(),
                          pending->received.counts.data(), pending->received.places.data(),
                          MPI_FLOAT, MPI_COMM_WORLD, &pending->request),
          "share");
    return pending;
  }

 protected:
  std::unique_ptr<Pending> start_exchange(std::span<const float> values,
                                          std::span<const int64_t> counts,
                                          std::span<float> received) override {
    auto pending = std::make_unique<PendingRequest>();
    int64_t from = 0, to = 0;
    for (int other = 0; other < size_; ++other) {
      const bool own = other == rank_;
      const int64_t count = counts[static_cast<size_t>(other)];
      const int64_t mine = own ? 0 : counts[static_cast<size_t>(rank_)];
      pending->sent.add(own ? 0 : count, from);
      pending->received.add(mine, to);
      from += count;
      to += mine;
    }
    check(MPI_Ialltoallv(values.data(), pending->sent.counts.data(), pending->sent.places.data(),
                         MPI_FLOAT, received.data(), pending->received.counts.data(),
                         pending->received.places.data(), MPI_FLOAT, MPI_COMM_WORLD,
                         &pending->request),
          "exchange");
    return pending;
  }

 private:
  template <class F>
  static void for_parts(int64_t bytes, F&& part) {
    for (int64_t at = 0; at < bytes; at += kMostBytes) {
      part(at, static_cast<int>(std::min(bytes - at, kMostBytes)));
    }
  }

  int count_processors() const {
    cpu_set_t mine;
    CPU_ZERO(&mine);
    if (sched_getaffinity(0, sizeof(mine), &mine) != 0) return 1;
    MPI_Comm machine = MPI_COMM_NULL;
    check(MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, rank_, MPI_INFO_NULL, &machine),
          "processes of this machine");
    const std::vector<cpu_set_t> masks = masks_of(machine, mine);
    MPI_Comm_free(&machine);
    constexpr double kRounding = 1e-9;
    const int share = std::max(1, static_cast<int>(share_of(mine, masks) + kRounding));
    if (is_first()) warn_if_bound(share, masks.size());
    return share;
  }

  int exceptions_;
  int rank_ = 0;
  int size_ = 1;
  int processors_ = 1;
};

}  // namespace

namespace internal {

std::unique_ptr<Group> make_launched_group() { return std::make_unique<MpiGroup>(); }

}  // namespace internal

}  // namespace heed
