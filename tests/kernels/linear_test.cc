#include "heed/kernels/linear.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "tests/kernels/every_isa.h"

namespace heed::kernels {
namespace {

constexpr double kEpsilon = 0x1p-24;

struct Problem {
  int64_t rows, outputs, inputs;
  std::vector<float> x, w, b;

  Problem(int64_t m, int64_t n, int64_t k)
      : rows(m),
        outputs(n),
        inputs(k),
        x(random_floats(static_cast<size_t>(m * k), 1)),
        w(random_floats(static_cast<size_t>(n * k), 2)),
        b(random_floats(static_cast<size_t>(n), 3)) {}

  PackedMatrix pack() const {
    PackedMatrix matrix(outputs, inputs);
    matrix.set_rows(0, outputs, w.data(), inputs);
    matrix.set_bias(0, outputs, b.data());
    return matrix;
  }

  std::vector<float> run(Activation activation = Activation::none) const {
    const PackedMatrix matrix = pack();
    std::vector<float> y(static_cast<size_t>(rows * outputs), NAN);
    linear(matrix, {.x = x.data(),
                    .x_stride = inputs,
                    .y = y.data(),
                    .y_stride = outputs,
                    .rows = rows,
                    .first_panel = 0,
                    .last_panel = matrix.panels(),
                    .activation = activation});
    return y;
  }

  // within the bounds that kernels/linear.h states (the reference's, twice the fast one's)
  void check(const std::vector<float>& y, double factor) const {
    for (int64_t m = 0; m < rows; ++m) {
      for (int64_t n = 0; n < outputs; ++n) {
        double exact = b[size_t(n)];
        double size = std::abs(exact);
        for (int64_t k = 0; k < inputs; ++k) {
          const double term = double(x[size_t(m * inputs + k)]) * w[size_t(n * inputs + k)];
          exact += term;
          size += std::abs(term);
        }
        ASSERT_NEAR(y[size_t(m * outputs + n)], exact,
                    factor * double(inputs + 1) * kEpsilon * size)
            << "at [" << m << ", " << n << "] of [" << rows << ", " << outputs << "], K " << inputs;
      }
    }
  }
};

TEST(LinearKernel, IsTheProductForSizesAroundTiles) {
  on_every_isa([](Isa isa) {
    const double factor = isa == Isa::reference ? 2.0 : 1.0;
    for (int64_t n = 1; n <= 40; ++n) {
      for (const int64_t m : {1, 2, 5, 8, 9}) {
        const Problem problem(m, n, 1 + (n * 7 + m) % 40);
        problem.check(problem.run(), factor);
      }
    }
    for (const int64_t n : {47, 48, 49, 95, 96, 97, 145}) {
      for (const int64_t k : {0, 1, 191, 192, 193, 384, 385}) {
        const Problem problem(13, n, k);
        problem.check(problem.run(), factor);
      }
    }
  });
}

TEST(LinearKernel, ARowsBitsDependOnThatRowAlone) {
  on_every_isa([](Isa) {
    for (const auto& [n, k] : {std::pair<int64_t, int64_t>{96, 400}, {50, 77}}) {
      const Problem all(65, n, k);
      const std::vector<float> y = all.run(Activation::gelu);
      for (int64_t m = 1; m <= 65; ++m) {
        Problem some = all;
        some.rows = m;
        const std::vector<float> part = some.run(Activation::gelu);
        ASSERT_EQ(std::memcmp(part.data(), y.data(), part.size() * sizeof(float)), 0) << "M " << m;
        some.rows = 1;  // row m - 1 alone, first in its tile
        some.x.assign(all.x.begin() + (m - 1) * k, all.x.begin() + m * k);
        const std::vector<float> alone = some.run(Activation::gelu);
        ASSERT_EQ(std::memcmp(alone.data(), y.data() + (m - 1) * n, size_t(n) * sizeof(float)), 0)
            << "row " << m - 1;
      }
    }
  });
}

TEST(LinearKernel, TheEpilogueIsTheActivation) {
  on_every_isa([](Isa) {
    const Problem problem(9, 100, 33);
    const std::vector<float> plain = problem.run();
    for (const Activation activation : {Activation::relu, Activation::gelu, Activation::gelu_tanh,
                                        Activation::silu, Activation::tanh}) {
      std::vector<float> expected(plain.size());
      activate(activation, plain.data(), expected.data(), int64_t(plain.size()));
      EXPECT_EQ(problem.run(activation), expected);
    }
  });
}

TEST(LinearKernel, ReadsStridedRowsAndWritesOnlyItsPanels) {
  on_every_isa([](Isa) {
    const Problem problem(11, 150, 29);
    const std::vector<float> expected = problem.run();
    const PackedMatrix matrix = problem.pack();
    std::vector<float> x(11 * 40 + 1, NAN);  // one float off alignment, eleven floats between rows
    for (size_t m = 0; m < 11; ++m) {
      std::copy_n(problem.x.begin() + int64_t(m) * 29, 29, x.begin() + int64_t(m) * 40 + 1);
    }
    std::vector<float> y(11 * 160 + 1, -7.0f);
    linear(matrix, {.x = x.data() + 1,
                    .x_stride = 40,
                    .y = y.data() + 1,
                    .y_stride = 160,
                    .rows = 11,
                    .first_panel = 1,
                    .last_panel = 4});
    for (size_t m = 0; m < 11; ++m) {
      for (size_t n = 0; n < 159; ++n) {
        const float found = y[1 + m * 160 + n];
        const bool ours = n >= 48 && n < 150;
        ASSERT_EQ(found, ours ? expected[m * 150 + n] : -7.0f) << m << ", " << n;
      }
    }
  });
}

TEST(PackedMatrix, StacksRowsAcrossPanels) {
  const Problem problem(3, 70, 17);
  PackedMatrix stacked(70, 17);
  stacked.set_rows(0, 30, problem.w.data(), 17);
  stacked.set_rows(30, 40, problem.w.data() + 30 * 17, 17);
  const PackedMatrix whole = problem.pack();
  EXPECT_EQ(std::memcmp(stacked.panel(0), whole.panel(0), 2 * 48 * 17 * sizeof(float)), 0);
}

}  // namespace
}  // namespace heed::kernels
