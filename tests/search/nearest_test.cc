#include "heed/search/nearest.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "heed/base/parallel.h"
#include "tests/expect_error.h"
#include "tests/kernels/every_isa.h"
#include "tests/search/brute_force.h"

namespace heed {
namespace {

using testing::brute_force;
using testing::Rows;

std::vector<float> normal(int64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> draw;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = draw(random);
  return values;
}

std::vector<float> unit_rows(std::vector<float> values, int64_t width) {
  for (size_t begin = 0; begin < values.size(); begin += static_cast<size_t>(width)) {
    const std::span row(values.data() + begin, static_cast<size_t>(width));
    double squares = 0;
    for (const float value : row) squares += static_cast<double>(value) * value;
    for (float& value : row) value /= static_cast<float>(std::sqrt(squares));
  }
  return values;
}

void expect_law(const std::vector<RowBlock>& blocks, const std::vector<float>& query) {
  for (const int64_t k : {1, 3, 10, 100, 5000}) {
    EXPECT_EQ(nearest(blocks, query, k), brute_force(blocks, query, k)) << "k " << k;
  }
}

TEST(Nearest, RandomRowsOnEveryIsaAndNumberOfThreads) {
  const int threads = num_threads();
  kernels::on_every_isa([](kernels::Isa) {
    for (const int64_t width : {1, 7, 64, 100, 384, 1100}) {
      const Rows rows(unit_rows(normal(3000 * width, 1), width), width);
      const auto query = unit_rows(normal(width, 2), width);
      for (const int count : {1, 2, 5}) {
        set_num_threads(count);
        expect_law({rows.block(0, rows.count())}, query);
      }
    }
  });
  set_num_threads(threads);
}

TEST(Nearest, NearTies) {
  // rows that differ from one another in the last bits alone, and some that do not differ at all
  constexpr int64_t kWidth = 48, kCount = 2000;
  const auto base = unit_rows(normal(kWidth, 3), kWidth);
  std::mt19937 random(4);
  std::vector<float> values;
  for (int64_t i = 0; i < kCount; ++i) {
    for (float value : base) {
      const auto steps = static_cast<int>(random() % 3);
      for (int step = 0; step < steps && i % 5 != 0; ++step) value = std::nextafter(value, 1.0f);
      values.push_back(value);
    }
  }
  const Rows rows(values, kWidth);
  expect_law({rows.block(0, kCount)}, base);
  expect_law({rows.block(0, kCount)}, unit_rows(normal(kWidth, 5), kWidth));
}

TEST(Nearest, RowsThatRiseAllPassTheFloor) {
  constexpr int64_t kWidth = 32, kCount = 6000;
  const auto base = unit_rows(normal(kWidth, 6), kWidth);
  const auto other = normal(kWidth, 7);
  std::vector<float> values;
  for (int64_t i = 0; i < kCount; ++i) {
    for (size_t c = 0; c < base.size(); ++c) {
      values.push_back(base[c] + other[c] * static_cast<float>(kCount - i) / kCount);
    }
  }
  const Rows rows(unit_rows(values, kWidth), kWidth);
  expect_law({rows.block(0, kCount)}, base);
}

TEST(Nearest, RowsOfAnyLengthAndCodesAtTheirWorst) {
  // one large coordinate leaves the others without codes; lengths differ by many orders
  constexpr int64_t kWidth = 65, kCount = 1500;
  std::vector<float> values = normal(kCount * kWidth, 8);
  for (size_t i = 0; i < values.size(); ++i) {
    const size_t row = i / kWidth;
    if (i % kWidth == row % kWidth) values[i] *= 300;
    values[i] *= std::ldexp(1.0f, static_cast<int>(row % 40) - 30);
  }
  for (size_t c = 0; c < kWidth; ++c) values[3 * kWidth + c] = 0, values[4 * kWidth + c] = 1e-44f;
  const Rows rows(values, kWidth);
  expect_law({rows.block(0, kCount)}, normal(kWidth, 9));
  std::vector<float> axis(kWidth, 0);
  axis[5] = -2;
  expect_law({rows.block(0, kCount)}, axis);
  expect_law({rows.block(0, kCount)}, std::vector<float>(kWidth, 0));
}

TEST(Nearest, BlocksLeaveRowsOut) {
  constexpr int64_t kWidth = 24;
  const Rows rows(unit_rows(normal(900 * kWidth, 10), kWidth), kWidth);
  const auto query = unit_rows(normal(kWidth, 11), kWidth);
  expect_law({rows.block(0, 10), rows.block(11, 11), rows.block(300, 899)}, query);
  expect_law({}, query);
}

TEST(Nearest, TheErrorIsNoLessThanWhatTheCodesLose) {
  constexpr int64_t kWidth = 130;
  const Rows rows(normal(200 * kWidth, 12), kWidth);
  for (int64_t i = 0; i < rows.count(); ++i) {
    long double squares = 0;
    for (int64_t c = 0; c < kWidth; ++c) {
      const auto at = static_cast<size_t>(i * kWidth + c);
      const auto code = static_cast<size_t>(i * code_width(kWidth) + c);
      const RowScale& row = rows.scales[static_cast<size_t>(i)];
      const long double rest =
          rows.vectors[at] - static_cast<long double>(row.scale) * rows.codes[code];
      squares += rest * rest;
    }
    EXPECT_LE(std::sqrt(squares), rows.scales[static_cast<size_t>(i)].error);
  }
}

TEST(Nearest, WhatIsNoNumber) {
  std::vector<float> x(5, 1.0f);
  x[3] = NAN;
  std::vector<int8_t> codes(64);
  expect_error(ErrorCode::invalid_argument, {"finite"}, [&] { quantize_row(x, codes.data()); });
  Rows rows(std::vector<float>(50, 0.5f), 5);
  expect_error(ErrorCode::invalid_argument, {"query"},
               [&] { nearest(std::vector{rows.block(0, 10)}, x, 3); });
  const std::vector<float> query(5, 1.0f);
  rows.scales[4].scale = NAN;
  rows.scales[5].error = INFINITY;
  EXPECT_EQ(nearest(std::vector{rows.block(0, 10)}, query, 10).size(), 8u);
  rows.vectors[12] = INFINITY;
  expect_error(ErrorCode::corrupt_data, {"row 2"},
               [&] { nearest(std::vector{rows.block(0, 10)}, query, 10); });
}

}  // namespace
}  // namespace heed
