#include "heed/kernels/block_product.h"

#include <cmath>

#include "tests/kernels/block_rows.h"
#include "tests/kernels/every_isa.h"

namespace heed::kernels {
namespace {

constexpr double kEpsilon = 0x1p-24;

/// A 64-byte aligned block.
struct Scratch {
  std::vector<float> memory;
  float* data;
  explicit Scratch(int64_t floats) : memory(static_cast<size_t>(floats + 16)), data(memory.data()) {
    while (reinterpret_cast<uintptr_t>(data) % 64 != 0) ++data;
  }
};

struct Problem {
  int64_t rows, outputs, inputs;
  RandomRows weights;
  std::vector<float> x, bias, w;

  Problem(BlockKind kind, int64_t m, int64_t n, int64_t k)
      : rows(m),
        outputs(n),
        inputs(k),
        weights(kind, n, k),
        x(random_floats(static_cast<size_t>(m * k), 2)),
        bias(random_floats(static_cast<size_t>(n), 3)),
        w(static_cast<size_t>(n * k)) {
    ref::dequantize(weights.rows, 0, n, w.data(), k);
  }

  BlockProductTask task(std::vector<float>& y, const Scratch& scratch) const {
    return {.weights = weights.rows,
            .first_output = 0,
            .last_output = outputs,
            .x = x.data(),
            .x_stride = inputs,
            .y = y.data(),
            .y_stride = outputs,
            .rows = rows,
            .bias = bias.data(),
            .scratch = scratch.data};
  }

  std::vector<float> run(Activation activation = Activation::none) const {
    std::vector<float> y(static_cast<size_t>(rows * outputs), NAN);
    const Scratch scratch(block_product_scratch(rows));
    BlockProductTask whole = task(y, scratch);
    whole.activation = activation;
    block_product(whole);
    return y;
  }

  /// Within the bounds that kernels/block_product.h states.
  void check(Isa isa) const {
    const std::vector<float> y = run();
    const auto k = static_cast<double>(inputs);
    const double terms =
        isa == Isa::reference ? 2 * (k + 1) : std::min(k, 1024.0) / 4 + k / 1024 + 8;
    for (int64_t m = 0; m < rows; ++m) {
      for (int64_t n = 0; n < outputs; ++n) {
        double exact = bias[size_t(n)];
        double size = std::abs(exact);
        for (int64_t i = 0; i < inputs; ++i) {
          const double term = double(x[size_t(m * inputs + i)]) * w[size_t(n * inputs + i)];
          exact += term;
          size += std::abs(term);
        }
        ASSERT_NEAR(y[size_t(m * outputs + n)], exact, terms * kEpsilon * size)
            << "at [" << m << ", " << n << "] of [" << rows << ", " << outputs << "], K " << inputs;
      }
    }
  }
};

TEST(BlockProduct, IsTheProductForEveryKind) {
  on_every_isa([](Isa isa) {
    for (const BlockKind kind : kEveryKind) {
      const ::testing::ScopedTrace trace(__FILE__, __LINE__, std::string(to_string(kind)));
      const int64_t k = block_size(kind);
      for (const int64_t m : {1, 2, 3, 13}) {
        for (const int64_t n : {1, 4, 50}) {
          Problem(kind, m, n, k).check(isa);
          Problem(kind, m, n, k == 1 ? 77 : 3 * k).check(isa);
        }
        Problem(kind, m, 7, k == 256 ? 1280 : 1088).check(isa);  // two depths
      }
    }
  });
}

TEST(BlockProduct, HasNoInputsOrNoRowsOrNoOutputs) {
  on_every_isa([](Isa isa) {
    for (const BlockKind kind :
         {BlockKind::f32, BlockKind::bf16, BlockKind::q4_1, BlockKind::q6_k}) {
      Problem(kind, 1, 5, 0).check(isa);
      Problem(kind, 5, 5, 0).check(isa);
      Problem(kind, 0, 5, 256).check(isa);
      Problem(kind, 3, 0, 256).check(isa);
    }
  });
}

TEST(BlockProduct, ARowsBitsDependOnThatRowAlone) {
  on_every_isa([](Isa) {
    for (const BlockKind kind : kEveryKind) {
      for (const int64_t k : {int64_t{1280}, block_size(kind) == 1 ? int64_t{77} : int64_t{256}}) {
        const Problem all(kind, 23, 50, k);
        const std::vector<float> y = all.run(Activation::gelu);
        for (int64_t m = 1; m <= 23; ++m) {
          std::vector<float> part(static_cast<size_t>(m * 50), NAN);
          const Scratch scratch(block_product_scratch(m));
          BlockProductTask task = all.task(part, scratch);
          task.activation = Activation::gelu;
          task.rows = m;
          block_product(task);
          ASSERT_EQ(std::memcmp(part.data(), y.data(), part.size() * sizeof(float)), 0)
              << to_string(kind) << ", " << m << " rows, K " << k;
          task.x += (m - 1) * k;  // row m - 1 alone
          task.rows = 1;
          block_product(task);
          ASSERT_EQ(std::memcmp(part.data(), y.data() + (m - 1) * 50, 50 * sizeof(float)), 0)
              << to_string(kind) << ", row " << m - 1 << ", K " << k;
        }
      }
    }
  });
}

TEST(BlockProduct, ReadsStridedRowsAndWritesOnlyItsOutputs) {
  on_every_isa([](Isa) {
    for (const int64_t m : {1, 2, 11}) {
      const Problem problem(BlockKind::q8_0, m, 150, 96);
      const std::vector<float> expected = problem.run();
      std::vector<float> x(static_cast<size_t>(m * 107 + 1), NAN);  // one float off alignment
      for (int64_t r = 0; r < m; ++r) {
        std::copy_n(problem.x.begin() + r * 96, 96, x.begin() + r * 107 + 1);
      }
      std::vector<float> y(static_cast<size_t>(m * 160 + 1), -7.0F);
      const Scratch scratch(block_product_scratch(m));
      BlockProductTask task = problem.task(y, scratch);
      task.x = x.data() + 1;
      task.x_stride = 107;
      task.y = y.data() + 1;
      task.y_stride = 160;
      task.first_output = 49;
      task.last_output = 131;
      block_product(task);
      for (int64_t r = 0; r < m; ++r) {
        for (int64_t n = 0; n < 159; ++n) {
          const bool ours = n >= 49 && n < 131;
          ASSERT_EQ(y[size_t(1 + r * 160 + n)], ours ? expected[size_t(r * 150 + n)] : -7.0F)
              << r << ", " << n;
        }
      }
    }
  });
}

}  // namespace
}  // namespace heed::kernels
