#include "heed/ops/rotary.h"

#include <gtest/gtest.h>

#include <cmath>

#include "tests/expect_error.h"
#include "tests/golden.h"

namespace heed::testing {
namespace {

Tensor counted(const Shape& shape) {
  const Tensor x = Tensor::empty(shape);
  float next = 0;
  for (float& value : x.span<float>()) value = std::sin(next += 0.37F);
  return x;
}

TEST(Rotary, TurnsByTheAngleOfThePosition) {
  // One pair: (1, 0) at position p becomes (cos p, sin p), whatever the base.
  const Tensor x = Tensor::from({1, 0, 1, 0, 1, 0}, {1, 1, 3, 2});
  const Tensor y = rotary(x, rotary_table(3, 2));
  for (int64_t p = 0; p < 3; ++p) {
    EXPECT_NEAR(y.at({0, 0, p, 0}), std::cos(static_cast<double>(p)), 1e-7);
    EXPECT_NEAR(y.at({0, 0, p, 1}), std::sin(static_cast<double>(p)), 1e-7);
  }
}

TEST(Rotary, ScoresDependOnTheDistanceAlone) {
  const Tensor q = counted({1, 1, 1, 16});
  const Tensor k = counted({1, 2, 1, 16}).slice(1, 1, 2);
  const RotaryTable table = rotary_table(200, 16);
  const auto score = [&](int64_t at_q, int64_t at_k) {
    const Tensor a = rotary(q, table, {.first_position = at_q});
    const Tensor b = rotary(k, table, {.first_position = at_k});
    double sum = 0;
    for (int64_t d = 0; d < 16; ++d) sum += a.at({0, 0, 0, d}) * b.at({0, 0, 0, d});
    return sum;
  };
  EXPECT_NEAR(score(7, 3), score(104, 100), 2e-5);
  EXPECT_GT(std::abs(score(7, 3) - score(7, 4)), 1e-3);
}

TEST(Rotary, LayoutsPositionsAndInPlaceAgree) {
  const Tensor by_token = counted({2, 5, 3, 10});  // [B, T, H, D]
  const Tensor x = by_token.transpose(1, 2);
  const RotaryTable table = rotary_table(9, 8);
  for (const RotaryPairs pairs : {RotaryPairs::halves, RotaryPairs::interleaved}) {
    const Tensor y = rotary(x, table, {.pairs = pairs, .first_position = 4});
    EXPECT_TRUE(y.transpose(1, 2).is_contiguous());
    expect_same_bits(rotary(x.contiguous(), table, {.pairs = pairs, .first_position = 4}), y,
                     "contiguous heads");
    const Tensor at = Tensor::from(std::vector<int32_t>{4, 5, 6, 7, 8}, {5});
    expect_same_bits(rotary(x, table, {.pairs = pairs, .positions = at}), y, "[T] positions");
    const Tensor each = Tensor::from(std::vector<int32_t>{4, 5, 6, 7, 8, 4, 5, 6, 7, 8}, {2, 5});
    expect_same_bits(rotary(x, table, {.pairs = pairs, .positions = each}), y, "[B, T] positions");
    const auto rows = [&](const Tensor& all) { return all.slice(0, 4, 9).expand({2, 5, 4}); };
    expect_same_bits(rotary(x, {rows(table.cosines), rows(table.sines)}, {.pairs = pairs}), y,
                     "a row a token");
    const Tensor own = by_token.clone().transpose(1, 2);
    rotate_in_place(own, table, {.pairs = pairs, .first_position = 4});
    expect_same_bits(own, y, "in place");
    for (int64_t i = 8; i < 10; ++i) EXPECT_EQ(y.at({1, 2, 3, i}), x.at({1, 2, 3, i}));
  }
}

TEST(Rotary, HalfPrecisionIsRoundedOnce) {
  const Tensor x = counted({1, 2, 3, 8});
  const RotaryTable table = rotary_table(3, 8);
  for (const DType dtype : {DType::bf16, DType::f16}) {
    const Tensor narrow = x.to(dtype);
    expect_same_bits(rotary(narrow, table), rotary(narrow.to(DType::f32), table).to(dtype), "");
  }
}

TEST(Rotary, EmptyInputs) {
  EXPECT_EQ(rotary(Tensor::empty({0, 2, 3, 8}), rotary_table(3, 8)).shape(), (Shape{0, 2, 3, 8}));
  EXPECT_EQ(rotary(Tensor::empty({1, 2, 0, 8}), rotary_table(0, 8)).shape(), (Shape{1, 2, 0, 8}));
}

TEST(Rotary, ErrorsSayWhatWasNeededAndFound) {
  const Tensor x = counted({1, 2, 3, 8});
  const auto bad = ErrorCode::invalid_argument;
  expect_error(bad, {"positions must be in [0, P=2) but token 2 of batch row 0 stands at 2"},
               [&] { rotary(x, rotary_table(2, 8)); });
  expect_error(bad, {"stands at -1"},
               [&] { rotary(x, rotary_table(9, 8), {.first_position = -1}); });
  expect_error(bad, {"at most D/2=4 pairs", "5 were found"},
               [&] { rotary(x, rotary_table(9, 10)); });
  expect_error(bad, {"must be even but is 3"}, [&] { rotary_table(4, 3); });
  expect_error(bad, {"base must be positive"}, [&] { rotary_table(4, 2, 0.0F); });
  expect_error(bad, {"x must be f32, bf16 or f16 but is i32"}, [&] {
    rotary(Tensor::zeros({1, 2, 3, 8}, DType::i32), rotary_table(9, 8));
  });
  expect_error(bad, {"last dimension of x must be contiguous"}, [&] {
    rotary(counted({1, 2, 8, 3}).transpose(2, 3), rotary_table(9, 8));
  });
  expect_error(bad, {"row for each token"}, [&] {
    const Tensor rows = Tensor::zeros({1, 3, 4});
    rotary(x, {rows, rows}, {.first_position = 2});
  });
}

}  // namespace
}  // namespace heed::testing
