#include "heed/base/random.h"

#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "heed/base/file.h"

namespace heed {
namespace {

const nlohmann::json& goldens() {
  static const auto document =
      nlohmann::json::parse(read_file(HEED_SOURCE_DIR "/tests/golden/random.json"));
  return document;
}

void expect_near(const std::vector<float>& found, const std::vector<float>& expected,
                 float tolerance) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], tolerance) << i;
}

TEST(TorchRandom, UniformNumbersAreTorchsBitForBit) {
  TorchRandom random(123);
  for (const std::vector<float> expected : goldens()["rand"]) {
    std::vector<float> found(expected.size());
    random.rand(found);
    EXPECT_EQ(found, expected);
  }
}

TEST(TorchRandom, NormalNumbersAreTorchsInBothSizeRegimes) {
  TorchRandom random(42);
  for (const std::vector<float> expected : goldens()["randn"]) {
    std::vector<float> found(expected.size());
    random.randn(found);
    expect_near(found, expected, 2e-6f);  // a few ulp at |x| < 4
  }
}

TEST(TorchRandom, LinearDrawsWeightThenBias) {
  TorchRandom random(789);
  for (const std::vector<float> expected : goldens()["linear"]) {
    std::vector<float> found(expected.size());
    random.uniform(found, -1 / std::sqrt(3.0), 1 / std::sqrt(3.0));
    expect_near(found, expected, 1e-7f);
  }
}

TEST(TorchRandom, DropoutKeepsWhatTorchKeeps) {
  TorchRandom random(123);
  const nlohmann::json expected = goldens()["dropout"];
  for (const auto& [i, keep] : {std::pair{0, 0.5}, std::pair{1, 0.9}}) {
    std::vector<float> found(expected[i].size());
    random.dropout_mask(found, keep);
    expect_near(found, expected[i], 1e-6f);
  }
}

TEST(NumpyRandom, NormalNumbersAreNumpys) {
  NumpyRandom random(42);
  for (const double expected : goldens()["numpy_randn"]) {
    EXPECT_DOUBLE_EQ(random.randn(), expected);
  }
}

}  // namespace
}  // namespace heed
