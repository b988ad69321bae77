#include "heed/ops/recurrent.h"

#include <gtest/gtest.h>

#include <cmath>

#include "heed/base/parallel.h"
#include "heed/ops/elementwise.h"
#include "tests/expect_error.h"
#include "tests/golden.h"
#include "tests/ops/gradient_check.h"

namespace heed {
namespace {

using testing::Doubles;
using testing::expect_gradients;
using testing::expect_same_bits;
using testing::random_tensor;
using Tensors = std::vector<Tensor>;
using Values = std::vector<Doubles>;

constexpr size_t kRows = 3, kUnits = 5;
constexpr double kTolerance = 3e-6;

double s(double x) { return 1 / (1 + std::exp(-x)); }

struct Step {
  Doubles h, c;
};

Step lstm_law(const Doubles& gates, const Doubles& c) {
  Step next;
  for (size_t i = 0; i < kRows * kUnits; ++i) {
    const double* z = gates.data() + i / kUnits * 4 * kUnits + i % kUnits;
    next.c.push_back(s(z[kUnits]) * c[i] + s(z[0]) * std::tanh(z[2 * kUnits]));
    next.h.push_back(s(z[3 * kUnits]) * std::tanh(next.c.back()));
  }
  return next;
}

Doubles gru_law(const Doubles& x, const Doubles& hidden, const Doubles& h) {
  Doubles next;
  for (size_t i = 0; i < kRows * kUnits; ++i) {
    const size_t at = i / kUnits * 3 * kUnits + i % kUnits;
    const double r = s(x[at] + hidden[at]), u = s(x[at + kUnits] + hidden[at + kUnits]);
    const double n = std::tanh(x[at + 2 * kUnits] + r * hidden[at + 2 * kUnits]);
    next.push_back((1 - u) * n + u * h[i]);
  }
  return next;
}

TEST(LstmCell, GradientsThroughTwoSteps) {
  expect_gradients(
      {random_tensor({kRows, 4 * kUnits}, 1), random_tensor({kRows, 4 * kUnits}, 2),
       random_tensor({kRows, kUnits}, 3)},
      [](const Tensors& in) {
        const LstmState first = lstm_cell(in[0], in[2]);
        const LstmState second = lstm_cell(in[1], first.c);
        return add(multiply(first.h, second.h), second.c);
      },
      [](const Values& in) {
        const Step first = lstm_law(in[0], in[2]);
        const Step second = lstm_law(in[1], first.c);
        Doubles y = second.c;
        for (size_t i = 0; i < y.size(); ++i) y[i] += first.h[i] * second.h[i];
        return y;
      },
      kTolerance);
}

TEST(LstmCell, WhatNobodyUsesHasNoGradient) {
  const Tensor gates = random_tensor({kRows, 4 * kUnits}, 1), c = random_tensor({kRows, kUnits}, 2);
  expect_gradients(
      {gates, c}, [](const Tensors& in) { return lstm_cell(in[0], in[1]).h; },
      [](const Values& in) { return lstm_law(in[0], in[1]).h; }, kTolerance);
  expect_gradients(
      {c}, [&](const Tensors& in) { return lstm_cell(gates, in[0]).c; },
      [&](const Values& in) { return lstm_law(testing::doubles(gates), in[0]).c; }, kTolerance);
}

TEST(GruCell, GradientsOfEveryInput) {
  expect_gradients(
      {random_tensor({kRows, 3 * kUnits}, 1), random_tensor({kRows, 3 * kUnits}, 2),
       random_tensor({kRows, kUnits}, 3)},
      [](const Tensors& in) { return gru_cell(in[0], in[1], in[2]); },
      [](const Values& in) { return gru_law(in[0], in[1], in[2]); }, kTolerance);
}

TEST(RecurrentCells, SameBitsAtAnyNumberOfThreads) {
  const Tensor gates = random_tensor({70, 400}, 1), c = random_tensor({70, 100}, 2);
  const Tensor x = random_tensor({70, 300}, 3), h = random_tensor({70, 300}, 4);
  const auto run = [&](int threads) {
    set_num_threads(threads);
    const Tensors leaves{leaf(gates), leaf(c), leaf(x), leaf(h)};
    const LstmState state = lstm_cell(leaves[0], leaves[1]);
    const Tensor y = gru_cell(leaves[2], leaves[3], add(state.h, state.c));
    backward(y, random_tensor({70, 100}, 5));
    return Tensors{y.detach(), gradient(leaves[0]), gradient(leaves[1]), gradient(leaves[2]),
                   gradient(leaves[3])};
  };
  const Tensors one = run(1);
  for (const int threads : {2, 3, 7}) {
    const Tensors more = run(threads);
    for (size_t i = 0; i < one.size(); ++i) expect_same_bits(more[i], one[i], "more threads");
  }
  set_num_threads(1);
}

TEST(RecurrentCells, RefuseShapesThatDoNotFit) {
  const Tensor c = Tensor::zeros({2, 3});
  expect_error(ErrorCode::invalid_argument, {"lstm_cell", "gates", "12"}, [&] {
    lstm_cell(Tensor::zeros({2, 9}), c);
  });
  expect_error(ErrorCode::invalid_argument, {"gru_cell", "h_gates", "9"}, [&] {
    gru_cell(Tensor::zeros({2, 9}), Tensor::zeros({2, 12}), c);
  });
}

}  // namespace
}  // namespace heed
