#include "heed/tasks/attend.h"

#include <gtest/gtest.h>

#include "tests/expect_error.h"

namespace heed {
namespace {

TEST(AttendSettings, Windows) {
  EXPECT_EQ(parse_window("3,0").left(), 3);
  EXPECT_EQ(parse_window("3,0").right(), 0);
  EXPECT_EQ(parse_window("-1,7").left(), Mask::kOpen);
  EXPECT_TRUE(parse_window("-1,-1").empty());
  for (const char* bad : {"", ",", "1", "1,", ",1", "1,2,3", "1, 2", "+1,2", "a,b", "-2,0", "0,-2",
                          "99999999999999999999,0", "1.5,2", "1,2 "}) {
    expect_error(ErrorCode::invalid_argument, {"--window: needed LEFT,RIGHT", bad},
                 [&] { parse_window(bad); });
  }
}

TEST(AttendSettings, Tiles) {
  const AttendTile tile = parse_tile("10:12,0:256");
  EXPECT_EQ(tile.rows.begin, 10);
  EXPECT_EQ(tile.rows.end, 12);
  EXPECT_EQ(tile.keys.begin, 0);
  EXPECT_EQ(tile.keys.end, 256);
  for (const char* bad : {"", "1:2", "1:2,3", "1:2,3:", "1:2,3:4 ", "a:b,c:d", "1,2:3,4"}) {
    expect_error(ErrorCode::invalid_argument, {"--tile: needed r0:r1,c0:c1", bad},
                 [&] { parse_tile(bad); });
  }
}

TEST(AttendSettings, Numbers) {
  EXPECT_EQ(parse_numbers("--keys", "0,5,17"), (std::vector<int64_t>{0, 5, 17}));
  EXPECT_EQ(parse_numbers("--keys", "3"), (std::vector<int64_t>{3}));
  for (const char* bad : {"", ",", "1,", ",1", "1, 2", "a", "1:2", "1.5", "99999999999999999999"}) {
    expect_error(ErrorCode::invalid_argument, {"--keys: needed whole numbers by commas", bad},
                 [&] { parse_numbers("--keys", bad); });
  }
}

TEST(AttendSettings, NothingGivenIsPlainAttention) {
  const AttentionOptions options = attend_options({});
  EXPECT_TRUE(options.mask.empty());
  EXPECT_FALSE(options.scale.has_value());
  EXPECT_FALSE(options.alibi.defined() || options.sinks.defined() || options.relative.has_value());
}

TEST(AttendSettings, Bf16BitsAreReadAsBf16WhereAskedFor) {
  const Tensor bits = Tensor::from(std::vector<uint16_t>{0x3f80, 0xc000}, {2});
  const Tensor values = attend_input("q", bits, true);
  EXPECT_EQ(values.dtype(), DType::bf16);
  EXPECT_EQ(values.to(DType::f32).at({0}), 1.0F);
  EXPECT_EQ(values.to(DType::f32).at({1}), -2.0F);
  expect_error(ErrorCode::invalid_argument, {"q: needed --bf16"},
               [&] { attend_input("q", bits, false); });
  EXPECT_EQ(attend_options({.sinks = bits}, true).sinks.at({1}), -2.0F);
}

}  // namespace
}  // namespace heed
