#include "heed/kernels/normalization_backward.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "tests/kernels/every_isa.h"

namespace heed::kernels {
namespace {

constexpr double kEpsilon = 0x1p-24;

struct Inputs {
  int64_t rows, width;
  std::vector<float> x, dy, gain;

  Inputs(int64_t r, int64_t w, float offset)
      : rows(r),
        width(w),
        x(random_floats(size_t(r * w), 1, 2.0F)),
        dy(random_floats(size_t(r * w), 2, 3.0F)),
        gain(random_floats(size_t(w), 3)) {
    for (float& value : x) value += offset;
  }
};

struct Gradients {
  std::vector<float> dx, dgain, dbias;

  explicit Gradients(const Inputs& in)
      : dx(in.x.size(), -7.0F), dgain(size_t(in.width), 0.5F), dbias(size_t(in.width), 0.25F) {}
  NormRowsBackward task(const Inputs& in) {
    return {.x = in.x.data(),
            .dy = in.dy.data(),
            .gain = in.gain.data(),
            .epsilon = 1e-5F,
            .dx = dx.data(),
            .dgain = dgain.data(),
            .dbias = dbias.data(),
            .rows = in.rows,
            .width = in.width};
  }
};

/// Within the bounds that the header states, of the formula in f64.
void check(const Inputs& in, const Gradients& found, bool centred) {
  const auto count = double(in.width);
  std::vector<double> dgain(size_t(in.width), 0.5), dbias(size_t(in.width), 0.25);
  std::vector<double> slack(size_t(in.width), 0.0);
  for (int64_t r = 0; r < in.rows; ++r) {
    const float* x = in.x.data() + r * in.width;
    const float* dy = in.dy.data() + r * in.width;
    double mean = 0, squares = 0, mean_g = 0, mean_gh = 0, most_x = 0, most_g = 0;
    for (int64_t c = 0; centred && c < in.width; ++c) mean += x[c] / count;
    for (int64_t c = 0; c < in.width; ++c) squares += (x[c] - mean) * (x[c] - mean) / count;
    const double s = std::sqrt(squares + 1e-5F);
    for (int64_t c = 0; c < in.width; ++c) {
      const double g = double{dy[c]} * in.gain[size_t(c)];
      if (centred) mean_g += g / count;
      mean_gh += g * (x[c] - mean) / s / count;
      most_g = std::max(most_g, std::abs(g));
      if (centred) most_x = std::max(most_x, std::abs(double{x[c]}));
    }
    for (int64_t c = 0; c < in.width; ++c) {
      const double h = (x[c] - mean) / s;
      const double g = double{dy[c]} * in.gain[size_t(c)];
      const double n = (count / 8 + 16) * kEpsilon;
      const double bound = n * (2 + std::abs(h)) * (1 + 6 * most_x / s) * most_g / s;
      ASSERT_NEAR(found.dx[size_t(r * in.width + c)], (g - mean_g - h * mean_gh) / s, bound)
          << "width " << in.width << " at " << c;
      dgain[size_t(c)] += dy[c] * h;
      dbias[size_t(c)] += dy[c];
      slack[size_t(c)] += std::abs(double{dy[c]}) * n * (std::abs(h) + 3 * most_x / s) +
                          double(in.rows) * kEpsilon * (std::abs(dy[c]) * (1 + std::abs(h)) + 1);
    }
  }
  for (size_t c = 0; c < dgain.size(); ++c) {
    ASSERT_NEAR(found.dgain[c], dgain[c], slack[c]);
    if (!centred) continue;
    ASSERT_NEAR(found.dbias[c], dbias[c], slack[c]);
  }
}

TEST(LayerNormBackward, IsTheFormulaForWidthsAroundVectors) {
  on_every_isa([](Isa) {
    for (int64_t width : {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 40, 63, 64, 65, 384, 771}) {
      for (const float offset : {0.0F, 100.0F}) {
        const Inputs in(5, width, offset);
        Gradients layer(in);
        layer_norm_backward(layer.task(in));
        check(in, layer, true);
        Gradients rms(in);
        NormRowsBackward task = rms.task(in);
        task.dbias = nullptr;
        rms_norm_backward(task);
        check(in, rms, false);
      }
    }
  });
}

TEST(LayerNormBackward, WhatIsNotWantedIsNotTouchedAndDyMayBeDx) {
  on_every_isa([](Isa) {
    Inputs in(4, 37, 0.0F);
    Gradients all(in);
    layer_norm_backward(all.task(in));
    Gradients some(in);
    NormRowsBackward task = some.task(in);
    task.dx = nullptr;
    task.dbias = nullptr;
    layer_norm_backward(task);
    EXPECT_EQ(some.dgain, all.dgain);
    EXPECT_EQ(some.dx[0], -7.0F);
    std::vector<float> place = in.dy;
    Gradients in_place(in);
    task = in_place.task(in);
    task.dy = place.data();
    task.dx = place.data();
    layer_norm_backward(task);
    EXPECT_EQ(place, all.dx);
    EXPECT_EQ(in_place.dgain, all.dgain);
    EXPECT_EQ(in_place.dbias, all.dbias);
  });
}

TEST(LayerNormBackward, ARowsBitsDependOnThatRowAlone) {
  on_every_isa([](Isa) {
    const Inputs in(9, 50, 0.0F);
    Gradients all(in), one(in);
    layer_norm_backward(all.task(in));
    NormRowsBackward row = one.task(in);
    row.x += 7 * 50;
    row.dy += 7 * 50;
    row.rows = 1;
    layer_norm_backward(row);
    EXPECT_TRUE(std::equal(one.dx.begin(), one.dx.begin() + 50, all.dx.begin() + 7 * 50));
  });
}

TEST(SoftmaxBackward, IsTheFormula) {
  on_every_isa([](Isa) {
    for (int64_t width = 1; width <= 70; ++width) {
      std::vector<float> y = random_floats(size_t(width), 7);
      for (float& value : y) value = std::abs(value) / float(width);
      const std::vector<float> dy = random_floats(size_t(width), 8, 4.0F);
      std::vector<float> dx = dy;
      softmax_backward(y.data(), dx.data(), dx.data(), 1, width);
      double sum = 0, sizes = 0;
      for (size_t c = 0; c < y.size(); ++c) {
        sum += double{y[c]} * dy[c];
        sizes += std::abs(double{y[c]} * dy[c]);
      }
      for (size_t c = 0; c < y.size(); ++c) {
        const double bound = (double(width) / 8 + 8) * kEpsilon * y[c] * (std::abs(dy[c]) + sizes);
        ASSERT_NEAR(dx[c], y[c] * (dy[c] - sum), bound);
      }
    }
  });
}

}  // namespace
}  // namespace heed::kernels
