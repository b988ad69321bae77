#include "heed/dist/group.h"

#include <gtest/gtest.h>

#include <numeric>

#include "heed/base/parallel.h"

// In a group of one, and under mpirun (tests/CMakeLists.txt) of three.

namespace heed {
namespace {

/// Made once a process, and closed in order.
class World : public ::testing::Environment {
 public:
  static Group& group() { return *world().group_; }
  static World& world() {
    static auto* one = new World;  // owned by gtest
    return *one;
  }
  void SetUp() override { group_ = make_group(); }
  void TearDown() override { group_ = nullptr; }

 private:
  std::unique_ptr<Group> group_;
};

const ::testing::Environment* const kWorld = ::testing::AddGlobalTestEnvironment(&World::world());

/// Numbers whose sum depends on the order in which they are added.
std::vector<float> numbers_of(int rank, int64_t count) {
  std::vector<float> all(static_cast<size_t>(count));
  for (size_t i = 0; i < all.size(); ++i) {
    all[i] = (rank == 1 ? 1e8F : 0.1F) * static_cast<float>(i % 97) - static_cast<float>(rank);
  }
  return all;
}

std::vector<float> sums_in_order(int size, int64_t count) {
  std::vector<float> sums = numbers_of(0, count);
  for (int rank = 1; rank < size; ++rank) {
    const std::vector<float> more = numbers_of(rank, count);
    for (size_t i = 0; i < sums.size(); ++i) sums[i] += more[i];
  }
  return sums;
}

TEST(Group, KnowsItsPlace) {
  const Group& group = World::group();
  EXPECT_GE(group.rank(), 0);
  EXPECT_LT(group.rank(), group.size());
  EXPECT_EQ(group.is_first(), group.rank() == 0);
  EXPECT_GE(group.processors(), 1);
}

TEST(Group, AddsUpInTheOrderOfRanks) {
  Group& group = World::group();
  for (const int64_t count : {0, 1, 2, 7, 1000, 70000}) {
    std::vector<float> values = numbers_of(group.rank(), count);
    group.all_reduce(values);
    EXPECT_EQ(values, sums_in_order(group.size(), count)) << count;
  }
}

TEST(Group, UnevenPartsGoToTheirOwners) {
  Group& group = World::group();
  std::vector<int64_t> counts;
  for (int rank = 0; rank < group.size(); ++rank) counts.push_back(rank == 1 ? 0 : 100 * rank + 3);
  const int64_t count = std::accumulate(counts.begin(), counts.end(), int64_t{0});
  std::vector<float> values = numbers_of(group.rank(), count), others = values;
  const auto first = group.start_sum(values, counts), second = group.start_sum(others, counts);
  while (!second->poll()) {
  }
  first->wait();
  const std::vector<float> mine = numbers_of(group.rank(), count);
  const std::vector<float> sums = sums_in_order(group.size(), count);
  size_t at = 0;
  for (int rank = 0; rank < group.size(); ++rank) {
    for (int64_t i = 0; i < counts[static_cast<size_t>(rank)]; ++i, ++at) {
      EXPECT_EQ(values[at], rank == group.rank() ? sums[at] : mine[at]);
    }
  }
  EXPECT_EQ(values, others);
  group.start_share(values, counts)->wait();
  EXPECT_EQ(values, sums);
}

TEST(Group, HandsBytesAround) {
  Group& group = World::group();
  const std::string mine(static_cast<size_t>(group.rank()) * 1000, 'a');
  const std::vector<std::string> all = group.gather(mine);
  ASSERT_EQ(all.size(), group.is_first() ? static_cast<size_t>(group.size()) : 0U);
  for (size_t rank = 0; rank < all.size(); ++rank) EXPECT_EQ(all[rank].size(), rank * 1000);
  EXPECT_EQ(group.broadcast_text(group.is_first() ? "from the first" : "else"), "from the first");
  EXPECT_EQ(group.broadcast_text(group.is_first() ? "" : "else"), "");
  const double rank = group.rank();
  const std::vector<double> ranks = group.all_gather(std::span(&rank, 1));
  ASSERT_EQ(ranks.size(), static_cast<size_t>(group.size()));
  for (size_t i = 0; i < ranks.size(); ++i) EXPECT_EQ(ranks[i], static_cast<double>(i));
  group.barrier();
}

TEST(Group, EvenPartsAreAllOfIt) {
  for (const int64_t count : {0, 1, 5, 12}) {
    const std::vector<int64_t> parts = even_parts(count, 4);
    ASSERT_EQ(parts.size(), 4U);
    EXPECT_EQ(std::accumulate(parts.begin(), parts.end(), int64_t{0}), count);
  }
}

}  // namespace
}  // namespace heed
