#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "heed/autograd/tape.h"
#include "tests/random_tensor.h"

namespace heed::testing {

/// A function of tensors in f64, written as its formula says: the law that gradients are held to.
using Doubles = std::vector<double>;
inline Doubles doubles(const Tensor& x) {
  const Tensor all = x.detach().to(DType::f32).contiguous();
  return {all.span<float>().begin(), all.span<float>().end()};
}

/// Compares gradients of y, which came from leaves (undefined ones allowed), with central
/// differences of `law`, which gives y from all their values in f64, both for the loss sum_i y_i
/// r_i with random r. tolerance is relative to the largest difference quotient of a leaf.
inline void expect_differences(const std::vector<Tensor>& leaves, const Tensor& y,
                               const std::function<Doubles(const std::vector<Doubles>&)>& law,
                               double tolerance) {
  std::vector<Doubles> values;
  for (const Tensor& x : leaves) values.push_back(x.defined() ? doubles(x) : Doubles());
  const Tensor r = random_tensor(y.shape(), 99);
  ASSERT_EQ(law(values).size(), size_t(y.numel()));
  const auto loss = [&] {
    double sum = 0;
    const Doubles exact = law(values);
    for (size_t i = 0; i < exact.size(); ++i) sum += exact[i] * r.span<float>()[i];
    return sum;
  };
  backward(y, r);
  constexpr double kStep = 1e-5;
  for (size_t i = 0; i < leaves.size(); ++i) {
    if (!leaves[i].defined()) continue;
    const Tensor found = gradient(leaves[i]);
    ASSERT_TRUE(found.defined()) << "input " << i;
    ASSERT_EQ(to_string(found.shape()), to_string(leaves[i].shape()));
    const Doubles ours = doubles(found);
    Doubles exact(ours.size());
    double largest = 0;
    for (size_t j = 0; j < exact.size(); ++j) {
      const double before = values[i][j];
      values[i][j] = before + kStep;
      const double above = loss();
      values[i][j] = before - kStep;
      exact[j] = (above - loss()) / (2 * kStep);
      values[i][j] = before;
      largest = std::max(largest, std::abs(exact[j]));
    }
    for (size_t j = 0; j < exact.size(); ++j) {
      ASSERT_NEAR(ours[j], exact[j], tolerance * largest) << "input " << i << ", element " << j;
    }
  }
}

/// The same of what `op` gives of inputs (made leaves).
inline void expect_gradients(const std::vector<Tensor>& inputs,
                             const std::function<Tensor(const std::vector<Tensor>&)>& op,
                             const std::function<Doubles(const std::vector<Doubles>&)>& law,
                             double tolerance) {
  std::vector<Tensor> leaves;
  for (const Tensor& input : inputs) leaves.push_back(input.defined() ? leaf(input) : Tensor());
  expect_differences(leaves, op(leaves), law, tolerance);
}

}  // namespace heed::testing
