#include "heed/lens/line_chart.h"

#include <gtest/gtest.h>

#include <limits>

#include "heed/base/file.h"
#include "tests/expect_error.h"
#include "tests/support.h"

namespace heed {
namespace {

LineChart loss_chart() {
  return {
      .title = "Loss",
      .x_axis = "updates",
      .y_axis = "loss",
      .series = {{"train", {0, 10, 20, 30}, {4, 3, std::numeric_limits<double>::quiet_NaN(), 2}},
                 {"valid", {30}, {2.5}}}};
}

TEST(LineChart, DrawsSeriesTicksAndGaps) {
  const testing::TemporaryFolder folder;
  save_chart(loss_chart(), folder / "loss.svg", Theme::light);
  const std::string svg = read_file(folder / "loss.svg");
  EXPECT_NE(svg.find("<polyline points=\"64,44 "), std::string::npos);  // the highest, at the left
  EXPECT_NE(svg.find(">train</text>"), std::string::npos);
  EXPECT_NE(svg.find(">updates</text>"), std::string::npos);
  EXPECT_NE(svg.find(">2.5</text>"), std::string::npos);  // a tick
  save_chart(loss_chart(), folder / "loss.png", Theme::dark);
  EXPECT_EQ(read_file(folder / "loss.png").substr(1, 3), "PNG");
}

TEST(LineChart, ALineUnderAnotherShowsOnItsSides) {
  const testing::TemporaryFolder folder;
  LineChart chart{.title = "Loss",
                  .x_axis = "updates",
                  .y_axis = "loss",
                  .series = {{"one", {0, 1, 2, 3}, {4, 3, 2, 1}}, {"two", {1, 2, 3}, {3, 2, 0}}}};
  save_chart(chart, folder / "under.svg", Theme::light);
  const std::string under = read_file(folder / "under.svg");
  EXPECT_NE(under.find("stroke-width=\"4\""), std::string::npos) << under;
  EXPECT_NE(under.find("stroke-width=\"1.5\""), std::string::npos);
  chart.series[1].y = {3, 1, 2};  // they only cross
  save_chart(chart, folder / "cross.svg", Theme::light);
  EXPECT_EQ(read_file(folder / "cross.svg").find("stroke-width=\"4\""), std::string::npos);
}

TEST(LineChart, LogarithmicAxesHaveEqualFactorsApart) {
  const testing::TemporaryFolder folder;
  const LineChart chart{.title = "Time",
                        .x_axis = "words",
                        .y_axis = "ms",
                        .series = {{"a", {1, 10, 100, 1000}, {2, 0, 20, 200}}},
                        .log_x = true,
                        .log_y = true};
  save_chart(chart, folder / "log.svg", Theme::light);
  const std::string svg = read_file(folder / "log.svg");
  // 0 has no place: a point alone, then a line that rises by a factor of 10 over one of 10
  EXPECT_NE(svg.find("<polyline points=\"381.3"), std::string::npos) << svg;
  for (const char* tick : {">1</text>", ">10</text>", ">100</text>", ">1000</text>"}) {
    EXPECT_NE(svg.find(tick), std::string::npos) << tick;
  }
}

TEST(LineChart, SeveralStandBesideEachOther) {
  const testing::TemporaryFolder folder;
  save_charts({loss_chart(), loss_chart(), loss_chart()}, folder / "three.svg", Theme::light);
  const std::string svg = read_file(folder / "three.svg");
  for (const char* corner : {"points=\"64,44 ", "points=\"624,44 ", "points=\"64,384 "}) {
    EXPECT_NE(svg.find(corner), std::string::npos) << corner;
  }
  expect_error(ErrorCode::invalid_argument, {"none"},
               [&] { save_charts({}, folder / "none.svg", Theme::light); });
}

TEST(LineChart, ZeroHasNoSign) {
  const testing::TemporaryFolder folder;
  const LineChart chart{
      .title = "Reach", .x_axis = "words", .y_axis = "log", .series = {{"a", {1, 2}, {-0.9, 1.8}}}};
  save_chart(chart, folder / "reach.svg", Theme::light);
  const std::string svg = read_file(folder / "reach.svg");
  EXPECT_NE(svg.find(">0</text>"), std::string::npos);
  EXPECT_EQ(svg.find(">-0</text>"), std::string::npos);
}

TEST(LineChart, DrawsASingleLargeValue) {
  const testing::TemporaryFolder folder;
  save_chart({.title = "One", .x_axis = "", .y_axis = "", .series = {{"a", {3e6}, {2e9}}}},
             folder / "one.svg", Theme::light);
  EXPECT_GT(std::filesystem::file_size(folder / "one.svg"), 100U);
}

TEST(LineChart, RefusesOtherEndingsAndNothing) {
  const testing::TemporaryFolder folder;
  expect_error(ErrorCode::invalid_argument, {".png, .svg or .pdf"},
               [&] { save_chart(loss_chart(), folder / "loss.jpg", Theme::light); });
  expect_error(ErrorCode::invalid_argument, {"no number"},
               [&] { save_chart({.title = "empty"}, folder / "loss.png", Theme::light); });
}

}  // namespace
}  // namespace heed
