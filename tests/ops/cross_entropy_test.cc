#include "heed/ops/cross_entropy.h"

#include <gtest/gtest.h>

#include <cmath>

#include "heed/autograd/tape.h"
#include "heed/base/error.h"
#include "heed/base/parallel.h"
#include "heed/ops/linear.h"
#include "heed/ops/precision.h"
#include "tests/golden.h"
#include "tests/ops/gradient_check.h"

namespace heed {
namespace {

using testing::Doubles;
using testing::random_tensor;

constexpr int32_t kIgnored = -100;

Tensor ids(const std::vector<int32_t>& values) {
  return Tensor::from(values, {static_cast<int64_t>(values.size())});
}

/// The mean or sum over rows of logits [rows, n] whose targets count.
double loss_law(const Doubles& logits, const std::vector<int32_t>& targets, size_t n,
                const CrossEntropyOptions& options) {
  double sum = 0, count = 0;
  for (size_t row = 0; row < targets.size(); ++row) {
    if (targets[row] == options.ignored) continue;
    double total = 0, even = 0;
    const double* z = &logits[row * n];
    for (size_t j = 0; j < n; ++j) {
      total += std::exp(z[j]);
      even += z[j] / double(n);
    }
    const double s = options.label_smoothing;
    sum += std::log(total) - (1 - s) * z[targets[row]] - s * even;
    ++count;
  }
  return options.sum ? sum : sum / count;
}

TEST(CrossEntropy, GradientsAreThoseOfTheFormula) {
  const std::vector<int32_t> targets{2, kIgnored, 0, 4, 4};
  for (const float smoothing : {0.0F, 0.2F}) {
    for (const bool sum : {false, true}) {
      const CrossEntropyOptions options{.label_smoothing = smoothing, .sum = sum};
      testing::expect_gradients(
          {random_tensor({5, 6}, 1)},
          [&](const std::vector<Tensor>& in) {
            return cross_entropy(in[0], ids(targets), options);
          },
          [&](const std::vector<Doubles>& in) {
            return Doubles{loss_law(in[0], targets, 6, options)};
          },
          1e-5);
      for (const bool across : {false, true}) {
        const Tensor w =
            across ? random_tensor({4, 6}, 2).transpose(0, 1) : random_tensor({6, 4}, 2);
        testing::expect_gradients(
            {random_tensor({5, 4}, 1), w, random_tensor({6}, 3)},
            [&](const std::vector<Tensor>& in) {
              return cross_entropy(in[0], in[1], in[2], ids(targets), options);
            },
            [&](const std::vector<Doubles>& in) {
              Doubles logits(5 * 6);
              for (size_t at = 0; at < logits.size(); ++at) {
                logits[at] = in[2][at % 6];
                for (size_t k = 0; k < 4; ++k) {
                  logits[at] += in[0][at / 6 * 4 + k] * in[1][at % 6 * 4 + k];
                }
              }
              return Doubles{loss_law(logits, targets, 6, options)};
            },
            1e-5);
      }
    }
  }
}

/// f32 sums of products are within (K + 4) eps of the sum of their sizes, here at most about 20; a
/// gradient moves by at most twice what its logits do.
constexpr double kGolden = 2 * 24 * 0x1p-24 * 20;

void expect_relative(const Tensor& found, const Tensor& expected, const std::string& what) {
  testing::expect_close(found, expected,
                        kGolden * testing::distance(expected, Tensor::zeros(expected.shape())),
                        what);
}

TEST(CrossEntropy, EqualsPyTorch) {
  const testing::Golden golden("cross_entropy.safetensors");
  for (const auto& [name, options] : std::vector<std::pair<std::string, CrossEntropyOptions>>{
           {"mean", {}},
           {"sum", {.sum = true}},
           {"smooth", {.label_smoothing = 0.1F}},
           {"smooth_sum", {.label_smoothing = 0.1F, .sum = true}}}) {
    const Tensor x = leaf(golden["x"]), w = leaf(golden["weight"]), b = leaf(golden["bias"]);
    const Tensor loss = cross_entropy(x, w, b, golden["targets"], options);
    expect_relative(loss, golden[name + ".loss"], name + " loss");
    backward(loss);
    expect_relative(gradient(x), golden[name + ".dx"], name + " dx");
    expect_relative(gradient(w), golden[name + ".dweight"], name + " dweight");
    expect_relative(gradient(b), golden[name + ".dbias"], name + " dbias");
    const Tensor logits = leaf(linear(x.detach(), w.detach(), b.detach()));
    const Tensor plain = cross_entropy(logits, golden["targets"], options);
    expect_relative(plain, golden[name + ".loss"], name + " loss of logits");
    backward(plain);
    expect_relative(gradient(logits), golden[name + ".dlogits"], name + " dlogits");
  }
}

TEST(CrossEntropy, BlocksOfRowsAndThreadsChangeNothing) {
  // 40,000 classes: 64 MiB hold 419 rows, so 600 go in two blocks
  const Tensor x = random_tensor({2, 300, 8}, 1), w = random_tensor({40000, 8}, 2);
  std::vector<int32_t> targets(600);
  for (size_t i = 0; i < targets.size(); ++i) targets[i] = int32_t(i * 66);
  const Tensor wanted = Tensor::from(targets, {2, 300});
  std::vector<Tensor> expected;
  for (const int threads : {1, 2}) {
    set_num_threads(threads);
    const Tensor in = leaf(x), weight = leaf(w);
    const Tensor loss = cross_entropy(in, weight, {}, wanted);
    backward(loss);
    const std::vector<Tensor> found{loss.detach(), gradient(in), gradient(weight)};
    if (expected.empty()) expected = found;
    for (size_t i = 0; i < found.size(); ++i) {
      testing::expect_same_bits(found[i], expected[i], "tensor " + std::to_string(i));
    }
  }
  EXPECT_EQ(cross_entropy(x, w, {}, wanted).at({}), expected[0].at({})) << "unrecorded";
  const Tensor logits = leaf(linear(x, w, {}));
  const Tensor plain = cross_entropy(logits, wanted);
  EXPECT_NEAR(plain.at({}), expected[0].at({}), 1e-6 * expected[0].at({}));
}

TEST(CrossEntropy, ProjectsInBf16WhereThatIsWanted) {
  const Tensor x = random_tensor({9, 40}, 1), w = random_tensor({30, 40}, 2);
  const Tensor b = random_tensor({30}, 3), targets = ids({1, 2, 0, 29, 7, 7, kIgnored, 4, 5});
  const Tensor in = leaf(x), weight = leaf(w), bias = leaf(b);
  const Tensor same_in = leaf(x), same_weight = leaf(w), same_bias = leaf(b);
  const float plain = cross_entropy(x, w, b, targets).at({});
  const ComputePrecision precision(Precision::bf16);
  const Tensor loss = cross_entropy(in, weight, bias, targets);
  const Tensor apart = cross_entropy(linear(same_in, same_weight, same_bias), targets);
  EXPECT_NEAR(loss.at({}), apart.at({}), 1e-6 * apart.at({}));
  EXPECT_NE(loss.at({}), plain);
  backward(loss);
  backward(apart);
  expect_relative(gradient(in), gradient(same_in), "dx");
  expect_relative(gradient(weight), gradient(same_weight), "dweight");
  expect_relative(gradient(bias), gradient(same_bias), "dbias");
}

TEST(CrossEntropy, NothingCountedIsNoLoss) {
  const Tensor x = leaf(random_tensor({3, 4}, 1)), w = leaf(random_tensor({5, 4}, 2));
  const Tensor b = leaf(random_tensor({5}, 3));
  const Tensor none = ids({kIgnored, kIgnored, kIgnored});
  const Tensor loss = cross_entropy(x, w, b, none);
  EXPECT_EQ(loss.at({}), 0.0F);
  backward(loss);
  for (const Tensor& input : {x, w, b}) {
    EXPECT_EQ(testing::distance(gradient(input), Tensor::zeros(input.shape())), 0.0);
  }
}

TEST(CrossEntropy, ADoubledLossDoublesGradients) {
  const Tensor x = leaf(random_tensor({3, 4}, 1)), w = leaf(random_tensor({5, 4}, 2));
  const Tensor targets = ids({1, 2, 0});
  backward(cross_entropy(x, w, {}, targets));
  const Tensor once = gradient(w).clone();
  clear_gradient(w);
  backward(cross_entropy(x, w, {}, targets), Tensor::full(Shape{}, 2.0F));
  const Tensor twice = gradient(w);
  for (int64_t i = 0; i < 20; ++i) {
    EXPECT_EQ(twice.span<float>()[size_t(i)], 2 * once.span<float>()[size_t(i)]);
  }
}

TEST(CrossEntropy, RefusesTargetsThatAreNone) {
  const Tensor logits = random_tensor({2, 5}, 1);
  EXPECT_THROW(cross_entropy(logits, ids({0, 5})), Error);
  EXPECT_THROW(cross_entropy(logits, ids({0, -1})), Error);
  EXPECT_THROW(cross_entropy(logits, ids({0, 1, 2})), Error);
  EXPECT_THROW(cross_entropy(logits, ids({0, 1}), {.label_smoothing = 1.0F}), Error);
}

}  // namespace
}  // namespace heed
