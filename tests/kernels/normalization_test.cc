#include "heed/kernels/normalization.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/kernels/every_isa.h"

namespace heed::kernels {
namespace {

constexpr double kEpsilon = 0x1p-24;
constexpr float kHidden = -std::numeric_limits<float>::infinity();

struct Inputs {
  int64_t rows, width;
  std::vector<float> x, residual, gain, bias;

  Inputs(int64_t r, int64_t w, float offset)
      : rows(r),
        width(w),
        x(random_floats(size_t(r * w), 1, 2.0f)),
        residual(random_floats(size_t(r * w), 2, 2.0f)),
        gain(random_floats(size_t(w), 3)),
        bias(random_floats(size_t(w), 4)) {
    for (float& value : x) value += offset;
  }

  NormRows task(std::vector<float>& y, bool with_residual) const {
    return {.x = x.data(),
            .residual = with_residual ? residual.data() : nullptr,
            .gain = gain.data(),
            .bias = bias.data(),
            .epsilon = 1e-12f,
            .y = y.data(),
            .rows = rows,
            .width = width};
  }

  // against f64 on the f32 sums x + residual, within the bound that kernels/normalization.h states
  void check(const std::vector<float>& y, bool with_residual) const {
    for (int64_t r = 0; r < rows; ++r) {
      std::vector<double> z;
      double sum = 0.0;
      double largest = 0.0;
      for (int64_t c = 0; c < width; ++c) {
        const auto i = size_t(r * width + c);
        z.push_back(with_residual ? x[i] + residual[i] : x[i]);
        sum += z.back();
        largest = std::max(largest, std::abs(z.back()));
      }
      const double mean = sum / double(width);
      double variance = 0.0;
      for (const double value : z) variance += (value - mean) * (value - mean) / double(width);
      const double spread = std::sqrt(variance + 1e-12f);
      const double n = double(width) / 8.0 + 16.0;
      for (int64_t c = 0; c < width; ++c) {
        const double right = (z[size_t(c)] - mean) / spread * gain[size_t(c)] + bias[size_t(c)];
        const double bound =
            n * kEpsilon * (std::abs(z[size_t(c)] - mean) + 2 * largest) / spread + 4 * kEpsilon;
        ASSERT_NEAR(y[size_t(r * width + c)], right, bound) << "width " << width << " at " << c;
      }
    }
  }
};

TEST(LayerNorm, IsTheFormulaForWidthsAroundVectors) {
  on_every_isa([](Isa) {
    for (int64_t width : {2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 40, 63, 64, 65, 384, 771}) {
      for (const bool with_residual : {false, true}) {
        const Inputs inputs(5, width, 0.0f);
        std::vector<float> y(inputs.x.size());
        layer_norm(inputs.task(y, with_residual));
        inputs.check(y, with_residual);
      }
    }
  });
}

TEST(LayerNorm, ALargeCommonOffsetCancels) {
  on_every_isa([](Isa) {
    const Inputs inputs(3, 100, 1000.0f);
    std::vector<float> y(inputs.x.size());
    layer_norm(inputs.task(y, false));
    inputs.check(y, false);
  });
}

TEST(LayerNorm, ARowsBitsDependOnThatRowAloneAndInPlaceIsTheSame) {
  on_every_isa([](Isa) {
    const Inputs inputs(9, 50, 0.0f);
    std::vector<float> all(inputs.x.size());
    layer_norm(inputs.task(all, true));
    std::vector<float> one(50);
    NormRows row = inputs.task(one, true);
    row.x += 7 * 50;
    row.residual += 7 * 50;
    row.rows = 1;
    layer_norm(row);
    EXPECT_TRUE(std::equal(one.begin(), one.end(), all.begin() + 7 * 50));
    std::vector<float> place = inputs.x;
    NormRows in_place = inputs.task(place, true);
    in_place.x = place.data();
    layer_norm(in_place);
    EXPECT_EQ(place, all);
  });
}

TEST(LayerNorm, TheSumIsLeftWhereItIsWanted) {
  on_every_isa([](Isa) {
    const Inputs inputs(3, 37, 0.0f);
    std::vector<float> y(inputs.x.size());
    std::vector<float> beside(inputs.x.size());
    std::vector<float> sum(inputs.x.size());
    layer_norm(inputs.task(y, true));
    NormRows task = inputs.task(beside, true);
    task.sum = sum.data();
    layer_norm(task);
    EXPECT_EQ(beside, y);
    for (size_t i = 0; i < sum.size(); ++i) ASSERT_EQ(sum[i], inputs.x[i] + inputs.residual[i]);
  });
}

TEST(LayerNorm, AbsentBiasAndConstantRows) {
  on_every_isa([](Isa) {
    Inputs inputs(2, 20, 0.0f);
    std::fill(inputs.x.begin(), inputs.x.end(), 3.0f);
    std::vector<float> y(inputs.x.size());
    NormRows task = inputs.task(y, false);
    task.bias = nullptr;
    layer_norm(task);
    EXPECT_EQ(y, std::vector<float>(40, 0.0f));
  });
}

TEST(RmsNorm, IsTheFormula) {
  on_every_isa([](Isa) {
    for (int64_t width : {1, 5, 8, 16, 17, 33, 576}) {
      const Inputs inputs(3, width, 0.5f);
      std::vector<float> y(inputs.x.size());
      NormRows task = inputs.task(y, false);
      task.bias = nullptr;
      rms_norm(task);
      for (int64_t r = 0; r < 3; ++r) {
        double squares = 0.0;
        for (int64_t c = 0; c < width; ++c) {
          const double value = inputs.x[size_t(r * width + c)];
          squares += value * value;
        }
        const double factor = 1.0 / std::sqrt(squares / double(width) + 1e-12f);
        for (int64_t c = 0; c < width; ++c) {
          const auto i = size_t(r * width + c);
          const double right = inputs.x[i] * factor * inputs.gain[size_t(c)];
          ASSERT_NEAR(y[i], right, (double(width) / 8.0 + 16.0) * kEpsilon * std::abs(right));
        }
      }
    }
  });
}

TEST(Softmax, IsTheFormulaAndSumsToOne) {
  on_every_isa([](Isa) {
    for (int64_t width = 1; width <= 70; ++width) {
      std::vector<float> x = random_floats(size_t(width), 7, 20.0f);
      std::vector<float> y(x.size());
      softmax(x.data(), y.data(), 1, width);
      const double top = *std::max_element(x.begin(), x.end());
      double sum = 0.0;
      double total = 0.0;
      for (const float value : x) sum += std::exp(value - top);
      for (size_t i = 0; i < x.size(); ++i) {
        const double right = std::exp(x[i] - top) / sum;
        // the shifted argument is rounded by half an ulp of at most 40; then exp, sum and product
        ASSERT_NEAR(y[i], right, right * kEpsilon * (40.0 + double(width)) + 1e-37);
        total += y[i];
      }
      EXPECT_NEAR(total, 1.0, kEpsilon * (8.0 + double(width)));
    }
  });
}

TEST(Softmax, NeverOverflowsAndHiddenRowsAreZeros) {
  on_every_isa([](Isa) {
    const float big[] = {1000.0f, 999.0f, -3e38f, kHidden};
    float y[4];
    softmax(big, y, 1, 4);
    EXPECT_NEAR(y[0], 0.7310585786, 1e-6);
    EXPECT_NEAR(y[1], 0.2689414214, 1e-6);
    EXPECT_EQ(y[2], 0.0f);
    EXPECT_EQ(y[3], 0.0f);
    for (size_t width : {1u, 4u, 16u, 19u}) {
      const std::vector<float> hidden(width, kHidden);
      std::vector<float> zeros(width, -1.0f);
      softmax(hidden.data(), zeros.data(), 1, int64_t(width));
      EXPECT_EQ(zeros, std::vector<float>(width, 0.0f));
    }
    std::vector<float> bad(20, 1.0f);
    bad[3] = NAN;
    softmax(bad.data(), bad.data(), 1, 20);
    for (const float value : bad) EXPECT_TRUE(std::isnan(value));
  });
}

}  // namespace
}  // namespace heed::kernels
