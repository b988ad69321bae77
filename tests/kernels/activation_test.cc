#include "heed/kernels/activation.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "tests/kernels/every_isa.h"

namespace heed::kernels {
namespace {

constexpr Activation kAll[] = {Activation::relu, Activation::gelu, Activation::gelu_tanh,
                               Activation::silu, Activation::tanh};
constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Distance between neighbouring f32 numbers at |value|, no finer than at the smallest normal.
double ulp(double value) {
  const double size = std::max(std::abs(value), double{std::numeric_limits<float>::min()});
  return std::ldexp(1.0, std::ilogb(size) - 23);
}

double exact_gelu(double x) { return 0.5 * x * std::erfc(-x * M_SQRT1_2); }

/// One f32 in 4099, all exponents, both signs.
template <class F>
void for_sampled_floats(F&& f) {
  for (uint32_t bits = 0; bits < 0x7f800000u; bits += 4099) {
    f(std::bit_cast<float>(bits));
    f(-std::bit_cast<float>(bits));
  }
}

std::vector<float> sampled(float lowest, float highest) {
  std::vector<float> x;
  for_sampled_floats([&](float value) {
    if (value >= lowest && value <= highest) x.push_back(value);
  });
  return x;
}

/// Largest error over sampled numbers, in ulp of the exact result.
double worst_ulps(Activation activation, float lowest, float highest, double (*exact)(double)) {
  const std::vector<float> x = sampled(lowest, highest);
  std::vector<float> y(x.size());
  activate(activation, x.data(), y.data(), int64_t(x.size()));
  double worst = 0.0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double right = exact(x[i]);
    worst = std::max(worst, std::abs(y[i] - right) / ulp(right));
  }
  return worst;
}

TEST(Activation, ErrorsAreWhatTheContractSays) {
  auto silu = [](double x) { return x / (1.0 + std::exp(-x)); };
  auto tanh = [](double x) { return std::tanh(x); };
  auto sigmoid = [](double x) { return 1.0 / (1.0 + std::exp(-x)); };
  on_every_isa([&](Isa) {
    EXPECT_LE(worst_ulps(Activation::gelu, 0.0f, 1e30f, exact_gelu), 4.0);
    EXPECT_LE(worst_ulps(Activation::gelu, -12.9f, 0.0f, exact_gelu), 6.0);
    EXPECT_LE(worst_ulps(Activation::silu, -80.0f, 1e30f, silu), 3.0);
    EXPECT_LE(worst_ulps(Activation::tanh, -1e30f, 1e30f, tanh), 3.0);
    EXPECT_LE(worst_ulps(Activation::sigmoid, -80.0f, 1e30f, sigmoid), 3.0);
  });
}

TEST(Activation, GeluTanhIsWithinItsArgumentsRounding) {
  on_every_isa([](Isa) {
    const std::vector<float> x = sampled(-9.0f, 20.0f);
    std::vector<float> y(x.size());
    activate(Activation::gelu_tanh, x.data(), y.data(), int64_t(x.size()));
    for (size_t i = 0; i < x.size(); ++i) {
      const double in = x[i];
      const double u = std::sqrt(2.0 / M_PI) * (in + 0.044715 * in * in * in);
      const double right = in / (1.0 + std::exp(-2.0 * u));
      const double left = in < 0.0 ? 5.0 * std::abs(u) : 0.0;
      ASSERT_LE(std::abs(y[i] - right), (4.0 + left) * ulp(right)) << in;
    }
  });
}

TEST(Activation, EndsOfTheLine) {
  on_every_isa([](Isa) {
    for (const Activation activation : kAll) {
      const float x[] = {kInfinity, -kInfinity, NAN, 0.0f, 3e38f, -3e38f};
      float y[6];
      activate(activation, x, y, 6);
      const bool bounded = activation == Activation::tanh;
      EXPECT_EQ(y[0], bounded ? 1.0f : kInfinity);
      EXPECT_NEAR(y[1], bounded ? -1.0f : 0.0f, 1e-30);
      EXPECT_TRUE(std::isnan(y[2]));
      EXPECT_EQ(y[3], 0.0f);
      EXPECT_EQ(y[4], bounded ? 1.0f : 3e38f);
      EXPECT_NEAR(y[5], bounded ? -1.0f : 0.0f, 1e-30);
    }
  });
}

TEST(Activation, SigmoidsEnds) {
  on_every_isa([](Isa) {
    const float x[] = {kInfinity, -kInfinity, NAN, 0.0f, 3e38f, -3e38f};
    float y[6];
    activate(Activation::sigmoid, x, y, 6);
    EXPECT_EQ(y[0], 1.0f);
    EXPECT_EQ(y[1], 0.0f);
    EXPECT_TRUE(std::isnan(y[2]));
    EXPECT_EQ(y[3], 0.5f);
    EXPECT_EQ(y[4], 1.0f);
    EXPECT_EQ(y[5], 0.0f);
  });
}

/// A slope and the sum of the sizes of its terms, in f64.
struct Slope {
  double value;
  double terms;
};

Slope exact_slope(Activation activation, double z) {
  const auto sigmoid = [](double x) { return 1.0 / (1.0 + std::exp(-x)); };
  const auto bend = [&](double x) { return sigmoid(x) * sigmoid(-x); };
  const auto sum = [](double a, double b) { return Slope{a + b, std::abs(a) + std::abs(b)}; };
  const double line = std::sqrt(2.0 / M_PI);
  switch (activation) {
    case Activation::gelu:
      return sum(0.5 * std::erfc(-z * M_SQRT1_2), z * std::exp(-0.5 * z * z) * line / 2);
    case Activation::silu:
      return sum(sigmoid(z), z * bend(z));
    case Activation::gelu_tanh: {
      const double u = line * (z + 0.044715 * z * z * z);
      return sum(sigmoid(2 * u), z * 2 * line * (1 + 3 * 0.044715 * z * z) * bend(2 * u));
    }
    case Activation::tanh:
      return sum(4 * bend(2 * z), 0);
    case Activation::sigmoid:
      return sum(bend(z), 0);
    case Activation::relu:
      return sum(z > 0 ? 1 : 0, 0);
    case Activation::none:
      return sum(1, 0);
  }
  return {};
}

constexpr Activation kSlopes[] = {Activation::none,      Activation::relu, Activation::gelu,
                                  Activation::gelu_tanh, Activation::silu, Activation::tanh,
                                  Activation::sigmoid};

TEST(ActivationBackward, ErrorsAreWhatTheContractSays) {
  const std::vector<float> z = sampled(-80.0f, 80.0f);
  const std::vector<float> da(z.size(), 1.5f);
  on_every_isa([&](Isa) {
    for (const Activation activation : kSlopes) {
      std::vector<float> dz(z.size());
      activate_backward(activation, z.data(), da.data(), dz.data(), int64_t(z.size()));
      for (size_t i = 0; i < z.size(); ++i) {
        const Slope right = exact_slope(activation, z[i]);
        const double u = std::sqrt(2.0 / M_PI) * (z[i] + 0.044715 * z[i] * z[i] * z[i]);
        const double more = activation == Activation::gelu_tanh ? 10 * std::abs(u) : 0.0;
        const bool exact = activation == Activation::none || activation == Activation::relu;
        const double bound = exact ? 0.0 : (8 + more) * 0x1p-24 * right.terms * 1.5 + 1.5e-33;
        ASSERT_LE(std::abs(dz[i] - right.value * 1.5), bound) << int(activation) << " at " << z[i];
      }
    }
  });
}

TEST(ActivationBackward, EndsOfTheLine) {
  on_every_isa([](Isa) {
    for (const Activation activation : kSlopes) {
      const float z[] = {kInfinity, 3e38f, -kInfinity, -3e38f, NAN, 0.0f};
      const float ones[] = {1, 1, 1, 1, 1, 1};
      float dz[6];
      activate_backward(activation, z, ones, dz, 6);
      const bool level = activation == Activation::tanh || activation == Activation::sigmoid;
      const float left = activation == Activation::none ? 1.0f : 0.0f;
      for (const int i : {0, 1}) EXPECT_NEAR(dz[i], level ? 0.0f : 1.0f, 1e-30);
      for (const int i : {2, 3}) EXPECT_NEAR(dz[i], left, 1e-30);
      const bool passes = activation == Activation::none || activation == Activation::relu;
      EXPECT_EQ(std::isnan(dz[4]), !passes);
      EXPECT_EQ(dz[5], float(exact_slope(activation, 0.0).value)) << int(activation);
    }
  });
}

TEST(ActivationBackward, AnElementsBitsDoNotDependOnItsPlace) {
  on_every_isa([](Isa) {
    const std::vector<float> z = random_floats(60, 5, 6.0f);
    const std::vector<float> da = random_floats(60, 6);
    for (const Activation activation : kSlopes) {
      std::vector<float> whole(z.size());
      activate_backward(activation, z.data(), da.data(), whole.data(), int64_t(z.size()));
      for (size_t first = 0; first < 9; ++first) {
        for (size_t n = 0; n <= 40; ++n) {
          std::vector<float> part(n + 1, -7.0f);
          std::copy_n(da.begin() + int64_t(first), n, part.begin());
          activate_backward(activation, z.data() + first, part.data(), part.data(), int64_t(n));
          EXPECT_EQ(part.back(), -7.0f);
          for (size_t i = 0; i < n; ++i) ASSERT_EQ(part[i], whole[first + i]);
        }
      }
    }
  });
}

/// The same bits; of NaN any.
bool same(float a, float b) {
  return std::bit_cast<uint32_t>(a) == std::bit_cast<uint32_t>(b) ||
         (std::isnan(a) && std::isnan(b));
}

TEST(ActivationBackward, GivesTheActivationBesideItsSlope) {
  std::vector<float> z = sampled(-120.0f, 120.0f);
  for (const float end : {kInfinity, 3e38f, -kInfinity, -3e38f, NAN, 0.0f}) z.push_back(end);
  const auto n = int64_t(z.size());
  const std::vector<float> da = random_floats(z.size(), 6);
  on_every_isa([&](Isa) {
    for (const Activation activation : kSlopes) {
      std::vector<float> alone(z.size()), a(z.size()), dz(z.size()), both = da;
      activate(activation, z.data(), alone.data(), n);
      activate_backward(activation, z.data(), da.data(), dz.data(), n);
      activate_backward(activation, z.data(), both.data(), both.data(), n, a.data());
      for (size_t i = 0; i < z.size(); ++i) {
        ASSERT_TRUE(same(a[i], alone[i])) << int(activation) << " at " << z[i];
        ASSERT_TRUE(same(both[i], dz[i])) << int(activation) << " at " << z[i];
      }
    }
  });
}

TEST(Activation, AnElementsBitsDoNotDependOnItsPlace) {
  on_every_isa([](Isa) {
    const std::vector<float> x = random_floats(80, 5, 6.0f);
    for (const Activation activation : kAll) {
      std::vector<float> whole(x.size());
      activate(activation, x.data(), whole.data(), int64_t(x.size()));
      for (size_t first = 0; first < 17; ++first) {
        for (size_t n = 0; n <= 40; ++n) {
          std::vector<float> part(n + 2, -7.0f);
          std::copy_n(x.begin() + int64_t(first), n, part.begin() + 1);
          activate(activation, part.data() + 1, part.data() + 1, int64_t(n));  // in place
          EXPECT_EQ(part.front(), -7.0f);
          EXPECT_EQ(part.back(), -7.0f);
          for (size_t i = 0; i < n; ++i) ASSERT_EQ(part[i + 1], whole[first + i]);
        }
      }
    }
  });
}

}  // namespace
}  // namespace heed::kernels
