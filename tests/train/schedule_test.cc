#include "heed/train/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/expect_error.h"

namespace heed {
namespace {

TEST(Schedule, NoamIsThePapersEquation) {
  const ScheduleOptions paper{
      .kind = ScheduleKind::noam, .peak = 1, .warmup_steps = 4000, .width = 512};
  for (const int64_t step : {1, 100, 3999, 4000, 4001, 100000}) {
    const auto s = static_cast<double>(step);
    const double expected =
        std::pow(512, -0.5) * std::min(std::pow(s, -0.5), s * std::pow(4000, -1.5));
    EXPECT_DOUBLE_EQ(learning_rate(paper, step - 1), expected) << step;
  }
  EXPECT_NEAR(learning_rate(paper, 3999), 6.9877e-4, 1e-8);  // its highest
}

// Values of nanoGPT's get_lr(it) with learning_rate 1e-3, min_lr 1e-4, warmup_iters 100,
// lr_decay_iters 2000.
TEST(Schedule, CosineIsNanoGpts) {
  const ScheduleOptions options{.kind = ScheduleKind::cosine,
                                .peak = 1e-3,
                                .floor = 1e-4,
                                .warmup_steps = 100,
                                .total_steps = 2000};
  const auto expect = [&](int64_t step, double rate) {
    EXPECT_NEAR(learning_rate(options, step), rate, 1e-15) << step;
  };
  expect(0, 1e-3 * 1 / 101);
  expect(99, 1e-3 * 100 / 101);
  expect(100, 1e-3);
  expect(1050, 5.5e-4);
  expect(575, 1e-4 + 0.5 * (1 + std::sqrt(0.5)) * 9e-4);
  expect(2000, 1e-4);
  expect(5000, 1e-4);
}

TEST(Schedule, LinearAndConstantAreTransformers) {
  ScheduleOptions options{
      .kind = ScheduleKind::linear, .peak = 2e-5, .warmup_steps = 10, .total_steps = 110};
  EXPECT_EQ(learning_rate(options, 0), 0);
  EXPECT_DOUBLE_EQ(learning_rate(options, 5), 1e-5);
  EXPECT_DOUBLE_EQ(learning_rate(options, 10), 2e-5);
  EXPECT_DOUBLE_EQ(learning_rate(options, 60), 1e-5);
  EXPECT_EQ(learning_rate(options, 110), 0);
  EXPECT_EQ(learning_rate(options, 200), 0);
  options.kind = ScheduleKind::constant;
  EXPECT_DOUBLE_EQ(learning_rate(options, 5), 1e-5);
  EXPECT_DOUBLE_EQ(learning_rate(options, 10), 2e-5);
  EXPECT_DOUBLE_EQ(learning_rate(options, 1'000'000), 2e-5);
  options.warmup_steps = 0;
  EXPECT_DOUBLE_EQ(learning_rate(options, 0), 2e-5);
}

TEST(Schedule, RefusesWhatContradictsItself) {
  const auto refuse = [](const ScheduleOptions& options, std::string_view why) {
    expect_error(ErrorCode::invalid_argument, {"schedule: ", why},
                 [&] { learning_rate(options, 1); });
  };
  refuse({.kind = ScheduleKind::linear}, "number of steps, found 0");
  refuse({.kind = ScheduleKind::cosine, .warmup_steps = 11, .total_steps = 10},
         "within the 10 steps, found 11");
  refuse({.kind = ScheduleKind::noam}, "at least 1 warm-up step");
  refuse({.kind = ScheduleKind::noam, .warmup_steps = 4, .width = 0}, "width, found 0");
  refuse({.kind = ScheduleKind::constant, .warmup_steps = -1}, "found -1");
}

}  // namespace
}  // namespace heed
