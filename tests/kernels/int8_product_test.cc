#include "heed/kernels/int8_product.h"

#include <cmath>
#include <limits>

#include "tests/kernels/block_rows.h"
#include "tests/kernels/every_isa.h"

namespace heed::kernels {
namespace {

/// Rows of x in 8 bits, with their memory.
struct Quantized {
  std::vector<int8_t> codes;
  std::vector<Int8Scale> scales;
  Int8Inputs inputs;

  Quantized(const std::vector<float>& x, int64_t rows, int64_t columns)
      : codes(static_cast<size_t>(rows * columns)),
        scales(static_cast<size_t>(rows * columns / kInt8Step)),
        inputs{rows, columns, codes.data(), scales.data()} {
    quantize_inputs(x.data(), columns, inputs);
  }
};

void expect_same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (size_t i = 0; i < a.size(); ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(a[i]), std::bit_cast<uint32_t>(b[i]))
        << "at " << i << ": " << a[i] << ", " << b[i];
  }
}

struct Problem {
  int64_t rows, outputs, inputs;
  RandomRows weights;
  std::vector<float> x, bias;

  Problem(BlockKind kind, int64_t m, int64_t n, int64_t k)
      : rows(m),
        outputs(n),
        inputs(k),
        weights(kind, n, k),
        x(random_floats(static_cast<size_t>(m * k), 2, 3.0F)),
        bias(random_floats(static_cast<size_t>(n), 3)) {}

  std::vector<float> run(int64_t first = 0, int64_t last = -1) const {
    const Quantized q(x, rows, inputs);
    std::vector<float> y(static_cast<size_t>(rows * outputs), -7.0F);
    std::vector<std::byte> memory(static_cast<size_t>(int8_product_scratch() + 64));
    std::byte* scratch = memory.data();
    while (reinterpret_cast<uintptr_t>(scratch) % 64 != 0) ++scratch;
    int8_product({.weights = weights.rows,
                  .first_output = first,
                  .last_output = last < 0 ? outputs : last,
                  .x = q.inputs,
                  .y = y.data(),
                  .y_stride = outputs,
                  .bias = bias.data(),
                  .activation = Activation::none,
                  .scratch = scratch});
    return y;
  }
};

/// With the processor's products of bytes, and without.
template <class F>
void on_every_path(F&& body) {
  on_every_isa([&](Isa isa) {
    body(isa);
    if (!internal::uses_byte_products()) return;
    internal::use_byte_products(false);
    body(isa);
    internal::use_byte_products(true);
  });
}

TEST(Int8Product, RoundsInputsToTheNearestOf255) {
  std::vector<float> x = random_floats(4 * 96, 5, 100.0F);
  std::fill_n(x.begin() + 96, 32, 0.0F);
  std::fill_n(x.begin() + 128, 32, 1e-38F);
  x[200] = std::numeric_limits<float>::infinity();
  x[300] = std::numeric_limits<float>::quiet_NaN();
  on_every_path([&](Isa) {
    const Quantized q(x, 4, 96);
    for (size_t s = 0; s < 12; ++s) {
      const Int8Scale& scale = q.scales[s];
      int sum = 0, low = 0;
      for (size_t i = 32 * s; i < 32 * (s + 1); ++i) {
        sum += q.codes[i];
        if (i % 32 < 16) low += q.codes[i];
        if (s == 6 || s == 9) {
          EXPECT_EQ(q.codes[i], 0);
        } else {
          EXPECT_NEAR(x[i], scale.scale * float(q.codes[i]),
                      (0.5F + 0x1p-15F) * scale.scale + 1e-37F);
        }
      }
      EXPECT_EQ(scale.minus_sum, -sum);
      EXPECT_EQ(scale.minus_sum_low, -low);
      EXPECT_EQ(std::isnan(scale.scale), s == 6 || s == 9);
    }
  });
}

TEST(Int8Product, IsItsLawToTheBit) {
  for (const BlockKind kind : kEveryKind) {
    if (!has_int8_product(kind)) continue;
    const int64_t k = block_size(kind);
    for (const int64_t m : {1, 3, 6}) {
      const std::pair<int64_t, int64_t> shapes[] = {{1, k}, {17, 3 * k}, {50, 1280}};
      for (const auto& shape : shapes) {
        const int64_t n = shape.first, columns = shape.second;
        const Problem problem(kind, m, n, columns);
        pin_isa(Isa::reference);
        const std::vector<float> expected = problem.run();
        on_every_path([&](Isa) {
          SCOPED_TRACE(std::string(to_string(kind)) + ", " + std::to_string(m) + " x " +
                       std::to_string(n) + " x " + std::to_string(columns));
          expect_same_bits(problem.run(), expected);
        });
        pin_isa(available_isas().back());
      }
    }
  }
}

TEST(Int8Product, IsNearTheProductOfTheInputsAsTheyWere) {
  on_every_path([](Isa) {
    for (const BlockKind kind : {BlockKind::q4_1, BlockKind::q8_0, BlockKind::q6_k}) {
      const Problem problem(kind, 3, 20, 512);
      std::vector<float> w(20 * 512);
      ref::dequantize(problem.weights.rows, 0, 20, w.data(), 512);
      const std::vector<float> y = problem.run();
      const Quantized q(problem.x, 3, 512);
      for (size_t m = 0; m < 3; ++m) {
        for (size_t n = 0; n < 20; ++n) {
          double exact = problem.bias[n], bound = 0, size = std::abs(exact);
          for (size_t i = 0; i < 512; ++i) {
            const double weight = w[n * 512 + i], in = problem.x[m * 512 + i];
            exact += in * weight;
            size += std::abs(in * weight);
            bound += (0.5 + 0x1p-15) * double(q.scales[m * 16 + i / 32].scale) * std::abs(weight);
          }
          EXPECT_NEAR(y[m * 20 + n], exact, bound + 512 * 0x1p-24 * size);
        }
      }
    }
  });
}

TEST(Int8Product, WritesOnlyItsOutputs) {
  on_every_path([](Isa) {
    for (const int64_t m : {1, 6}) {
      const Problem problem(BlockKind::q4_0, m, 130, 96);
      const std::vector<float> all = problem.run(), some = problem.run(49, 101);
      for (size_t i = 0; i < all.size(); ++i) {
        const size_t n = i % 130;
        ASSERT_EQ(some[i], n >= 49 && n < 101 ? all[i] : -7.0F) << i;
      }
    }
  });
}

}  // namespace
}  // namespace heed::kernels
