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

TEST(LineChart, RefusesOtherEndingsAndNothing) {
  const testing::TemporaryFolder folder;
  expect_error(ErrorCode::invalid_argument, {".png, .svg or .pdf"},
               [&] { save_chart(loss_chart(), folder / "loss.jpg", Theme::light); });
  expect_error(ErrorCode::invalid_argument, {"no number"},
               [&] { save_chart({.title = "empty"}, folder / "loss.png", Theme::light); });
}

}  // namespace
}  // namespace heed
