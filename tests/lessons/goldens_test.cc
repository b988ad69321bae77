// Steps of the lessons against PyTorch (tools/make_lesson_goldens.py).

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "heed/base/file.h"
#include "heed/lessons/lesson.h"

namespace heed {
namespace {

// f32 against f64 through a handful of products of at most 32 terms; 50 blocks for the gradient,
// whose logarithm is compared.
double tolerance(const std::string& step, double expected) {
  if (step == "gradient") return 2e-3;
  return 1e-5 * std::max(1.0, std::abs(expected));
}

void expect_table(const Step& step, const nlohmann::json& expected) {
  ASSERT_EQ(step.values.size(0), static_cast<int64_t>(expected.size()));
  ASSERT_EQ(step.values.size(1), static_cast<int64_t>(expected[0].size()));
  for (int64_t r = 0; r < step.values.size(0); ++r) {
    for (int64_t c = 0; c < step.values.size(1); ++c) {
      const double value = expected[static_cast<size_t>(r)][static_cast<size_t>(c)];
      EXPECT_NEAR(step.values.at({r, c}), value, tolerance(step.name, value)) << r << ", " << c;
    }
  }
}

TEST(Lessons, StepsAreWhatPyTorchComputes) {
  const auto goldens =
      nlohmann::json::parse(read_file(HEED_SOURCE_DIR "/tests/golden/lessons.json"));
  for (const auto& [name, expected] : goldens["lessons"].items()) {
    const Lesson* lesson = find_lesson(name);
    ASSERT_NE(lesson, nullptr) << name;
    const std::vector<Step> steps = lesson->walk();
    for (const auto& [step_name, table] : expected.items()) {
      SCOPED_TRACE(name + " / " + step_name);
      const auto step = std::ranges::find(steps, step_name, &Step::name);
      ASSERT_NE(step, steps.end());
      expect_table(*step, table);
    }
  }
}

}  // namespace
}  // namespace heed
