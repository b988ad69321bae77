#include "heed/generate/ranking.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace heed {
namespace {

TEST(Ranking, TheFirstPlacesAreFoundInOnePass) {
  std::mt19937 random(3);
  for (const size_t size : {0, 1, 63, 64, 65, 1000}) {
    for (const int levels : {2, 50, 100000}) {  // of scores: few of them are often equal
      std::vector<float> scores(size);
      for (float& score : scores) {
        score = static_cast<float>(static_cast<int>(random()) % levels);
        if (random() % 5 == 0) score = -INFINITY;
      }
      for (const size_t count : {0, 1, 2, 10, 64, 2000}) {
        Ranking ranking(scores);
        std::vector<int32_t> expected;
        for (size_t place = 0; place < std::min(count, ranking.size()); ++place) {
          expected.push_back(ranking.id(place));
        }
        EXPECT_EQ(likeliest_ids(scores, count), expected) << size << " " << levels << " " << count;
      }
    }
  }
}

TEST(Ranking, WhatIsNoNumberIsNoToken) {
  EXPECT_EQ(likeliest_ids(std::vector<float>{1, NAN, 3, INFINITY}, 9),
            (std::vector<int32_t>{3, 2, 0}));
  EXPECT_TRUE(likeliest_ids(std::vector<float>{NAN, -INFINITY}, 1).empty());
}

}  // namespace
}  // namespace heed
