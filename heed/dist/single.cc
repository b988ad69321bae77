#include "heed/base/parallel.h"
#include "heed/dist/group.h"

namespace heed {
namespace {

class Done : public Pending {
 public:
  bool poll() override { return true; }
  void wait() override {}
};

class SingleProcess : public Group {
 public:
  int rank() const override { return 0; }
  int size() const override { return 1; }
  int processors() const override { return num_threads(); }
  void barrier() override {}
  void broadcast(std::span<std::byte> /*bytes*/) override {}
  std::vector<std::string> gather(std::string_view mine) override { return {std::string(mine)}; }
  std::vector<double> all_gather(std::span<const double> mine) override {
    return {mine.begin(), mine.end()};
  }
  std::unique_ptr<Pending> start_share(std::span<float> /*values*/,
                                       std::span<const int64_t> /*counts*/) override {
    return std::make_unique<Done>();
  }

 protected:
  std::unique_ptr<Pending> start_exchange(std::span<const float> /*values*/,
                                          std::span<const int64_t> /*counts*/,
                                          std::span<float> /*received*/) override {
    return std::make_unique<Done>();
  }
};

}  // namespace

std::unique_ptr<Group> single_process() { return std::make_unique<SingleProcess>(); }

}  // namespace heed
