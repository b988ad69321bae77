#include "heed/kernels/product.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "heed/kernels/element.h"
#include "tests/kernels/every_isa.h"

namespace heed::kernels {
namespace {

constexpr double kEpsilon = 0x1p-24;

/// The additions in a row that product() allows itself.
double additions(int64_t depth) {
  return double(std::min(depth, kProductDepth) + depth / kProductDepth + 3);
}

struct Problem {
  int64_t rows, columns, depth;
  bool a_down = false;    // a's columns are contiguous, not its rows
  bool b_across = false;  // b's columns are contiguous, not its rows
  bool accumulate = false;
  bool with_bias = false;
  Precision precision = Precision::f32;
  int64_t gap = 0;  // floats between one line and the next
  std::vector<float> a, b, c, bias;

  void draw() {
    a = random_floats(size_t((a_down ? depth : rows) * ((a_down ? rows : depth) + gap) + 1), 1);
    b = random_floats(
        size_t((b_across ? columns : depth) * ((b_across ? depth : columns) + gap)) + 1, 2);
    c = random_floats(size_t(rows * (columns + gap)), 3);
    bias = random_floats(size_t(columns), 4);
  }
  Operand left() const {
    return a_down ? Operand{a.data() + 1, 1, rows + gap} : Operand{a.data() + 1, depth + gap, 1};
  }
  Operand right() const {
    return b_across ? Operand{b.data() + 1, 1, depth + gap}
                    : Operand{b.data() + 1, columns + gap, 1};
  }

  ProductTask task(std::vector<float>& to) const {
    return {.a = left(),
            .b = right(),
            .c = to.data(),
            .c_stride = columns + gap,
            .rows = rows,
            .columns = columns,
            .depth = depth,
            .precision = precision,
            .accumulate = accumulate,
            .bias = with_bias ? bias.data() : nullptr,
            .scratch = nullptr};
  }
  /// Rows [row, row + m), columns [column, column + n) of it.
  static void run_part(ProductTask task, int64_t row, int64_t m, int64_t column, int64_t n) {
    std::vector<float> scratch(size_t(product_scratch(m)) + 16, NAN);
    const size_t misaligned = reinterpret_cast<uintptr_t>(scratch.data()) / sizeof(float) % 16;
    task.scratch = scratch.data() + (16 - misaligned) % 16;
    task.a.data += row * task.a.row;
    task.b.data += column * task.b.column;
    task.c += row * task.c_stride + column;
    if (task.activated != nullptr) task.activated += row * task.c_stride + column;
    if (task.bias != nullptr) task.bias += column;
    task.rows = m;
    task.columns = n;
    product(task);
  }
  std::vector<float> run() const {
    std::vector<float> to = c;
    run_part(task(to), 0, rows, 0, columns);
    return to;
  }

  double operand(float value) const {
    if (precision == Precision::f32) return value;
    uint16_t bits = 0;
    store_element(Element::bf16, value, &bits);
    return load_element(Element::bf16, &bits);
  }

  void check() const {
    const std::vector<float> to = run();
    const Operand x = left(), w = right();
    for (int64_t i = 0; i < rows; ++i) {
      for (int64_t j = 0; j < columns + gap; ++j) {
        const auto at = size_t(i * (columns + gap) + j);
        if (j >= columns) {
          ASSERT_EQ(to[at], c[at]) << "written between rows";
          continue;
        }
        double exact = accumulate ? c[at] : 0.0;
        exact += with_bias ? bias[size_t(j)] : 0.0;
        double size =
            std::abs(accumulate ? c[at] : 0.0) + std::abs(with_bias ? bias[size_t(j)] : 0.0);
        for (int64_t k = 0; k < depth; ++k) {
          const double term =
              operand(x.data[i * x.row + k * x.column]) * operand(w.data[k * w.row + j * w.column]);
          exact += term;
          size += std::abs(term);
        }
        ASSERT_NEAR(to[at], exact, additions(depth) * kEpsilon * size)
            << "[" << i << ", " << j << "] of " << rows << " x " << columns << " x " << depth
            << (a_down ? " a down" : "") << (b_across ? " b across" : "");
      }
    }
  }
};

/// body(problem) for every order of the operands, with and without what is added.
template <class F>
void for_orders(int64_t rows, int64_t columns, int64_t depth, F&& body) {
  for (int bits = 0; bits < 8; ++bits) {
    Problem problem{.rows = rows,
                    .columns = columns,
                    .depth = depth,
                    .a_down = (bits & 1) != 0,
                    .b_across = (bits & 2) != 0,
                    .accumulate = (bits & 4) != 0,
                    .with_bias = (bits & 4) == 0};
    problem.draw();
    body(problem);
  }
}

TEST(ProductKernel, IsTheProductInEveryOrder) {
  on_every_isa([](Isa) {
    for (int64_t n = 1; n <= 49; n += n < 20 ? 1 : 3) {
      for (const int64_t m : {1, 5, 8, 9}) {
        for_orders(m, n, 1 + (n * 7 + m) % 40, [](const Problem& problem) { problem.check(); });
      }
    }
    for (const int64_t depth : {0, 1, 16, 383, 384, 385, 784}) {
      for_orders(17, 50, depth, [](const Problem& problem) { problem.check(); });
    }
  });
}

TEST(ProductKernel, RoundsOperandsToBf16) {
  on_every_isa([](Isa) {
    for (const int64_t depth : {1, 33, 400}) {
      for_orders(17, 50, depth, [](Problem& problem) {
        problem.precision = Precision::bf16;
        problem.gap = 3;
        problem.draw();
        problem.check();
      });
    }
  });
}

TEST(ProductKernel, LeavesGapsAlone) {
  on_every_isa([](Isa) {
    for_orders(13, 61, 40, [](Problem& problem) {
      problem.gap = 5;
      problem.draw();
      problem.check();
    });
  });
}

TEST(ProductKernel, HowItIsCutChangesNoBit) {
  on_every_isa([](Isa) {
    for_orders(37, 150, 500, [](const Problem& problem) {
      const std::vector<float> whole = problem.run();
      std::vector<float> cut = problem.c;
      for (int64_t row = 0; row < 37; row += 11) {
        for (int64_t column = 0; column < 150; column += 48) {
          Problem::run_part(problem.task(cut), row, std::min<int64_t>(11, 37 - row), column,
                            std::min<int64_t>(48, 150 - column));
        }
      }
      ASSERT_EQ(std::memcmp(whole.data(), cut.data(), whole.size() * sizeof(float)), 0);
    });
  });
}

TEST(ProductKernel, KeepsTheSumAndItsActivation) {
  on_every_isa([](Isa) {
    for_orders(9, 100, 400, [](Problem& problem) {
      const std::vector<float> expected = problem.run();
      std::vector<float> sum = problem.c, activated(sum.size()), gelu(sum.size());
      ProductTask task = problem.task(sum);
      task.activation = Activation::gelu;
      task.activated = activated.data();
      Problem::run_part(task, 0, 9, 0, 100);
      activate(Activation::gelu, expected.data(), gelu.data(), int64_t(gelu.size()));
      EXPECT_EQ(sum, expected);
      EXPECT_EQ(activated, gelu);
    });
  });
}

TEST(ColumnSums, AreTheSums) {
  on_every_isa([](Isa) {
    for (const int64_t columns : {1, 7, 16, 33, 100}) {
      for (const int64_t rows : {0, 1, 63, 64, 65, 200}) {
        for (const bool accumulate : {false, true}) {
          const int64_t stride = columns + 3;
          const auto x = random_floats(size_t(rows * stride) + 1, 1);
          const auto before = random_floats(size_t(columns), 2);
          std::vector<float> sums = before;
          column_sums(x.data() + 1, stride, rows, columns, accumulate, sums.data());
          for (int64_t j = 0; j < columns; ++j) {
            double exact = accumulate ? before[size_t(j)] : 0.0, size = std::abs(exact);
            for (int64_t i = 0; i < rows; ++i) {
              exact += x[size_t(1 + i * stride + j)];
              size += std::abs(x[size_t(1 + i * stride + j)]);
            }
            ASSERT_NEAR(sums[size_t(j)], exact, (65 + double(rows) / 64) * kEpsilon * size);
          }
        }
      }
    }
  });
}

}  // namespace
}  // namespace heed::kernels
