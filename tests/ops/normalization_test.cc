#include "heed/ops/normalization.h"

#include <gtest/gtest.h>

#include <cmath>

#include "heed/base/error.h"
#include "heed/base/parallel.h"
#include "heed/ops/elementwise.h"

namespace heed {
namespace {

Tensor waves(const Shape& shape) {
  const Tensor x = Tensor::empty(shape);
  float angle = 0.0f;
  for (float& value : x.span<float>()) value = std::sin(angle += 0.7f);
  return x;
}

std::vector<float> elements(const Tensor& x) {
  const Tensor packed = x.contiguous();
  return {packed.span<float>().begin(), packed.span<float>().end()};
}

TEST(LayerNorm, ByHand) {
  const Tensor y = layer_norm(Tensor::from({1, 3, -2, -2}, {2, 2}), Tensor::from({2, 1}, {2}),
                              Tensor::from({0.5f, 0}, {2}), 0.0f);
  EXPECT_FLOAT_EQ(y.at({0, 0}), -1.5f);
  EXPECT_FLOAT_EQ(y.at({0, 1}), 1.0f);
}

TEST(LayerNorm, WithResidualIsTheSameAsAddingFirst) {
  const Tensor x = waves({4, 7, 50});
  const Tensor residual = waves({4, 7, 50}).transpose(0, 1).contiguous().reshape({4, 7, 50});
  const Tensor gain = waves({50});
  EXPECT_EQ(elements(add_layer_norm(x, residual, gain, Tensor(), 1e-5f)),
            elements(layer_norm(add(x, residual), gain, Tensor(), 1e-5f)));
}

TEST(Normalization, ThreadsChangeNoBitAndStridesAreRead) {
  const Tensor x = waves({60, 400}).transpose(0, 1);
  const Tensor gain = waves({60});
  set_num_threads(1);
  const auto layer = elements(layer_norm(x, gain, gain, 1e-12f));
  const auto rms = elements(rms_norm(x, gain, 1e-6f));
  const auto soft = elements(softmax(x));
  EXPECT_EQ(layer, elements(layer_norm(x.contiguous(), gain, gain, 1e-12f)));
  for (const int threads : {2, 3, 7}) {
    set_num_threads(threads);
    EXPECT_EQ(layer, elements(layer_norm(x, gain, gain, 1e-12f)));
    EXPECT_EQ(rms, elements(rms_norm(x, gain, 1e-6f)));
    EXPECT_EQ(soft, elements(softmax(x)));
  }
}

TEST(Normalization, EmptyInputsGiveEmptyOutputs) {
  const Tensor none = Tensor::empty({0, 5});
  const Tensor gain = waves({5});
  EXPECT_EQ(layer_norm(none, gain, gain, 1e-5f).shape(), (Shape{0, 5}));
  EXPECT_EQ(rms_norm(none, gain, 1e-5f).shape(), (Shape{0, 5}));
  EXPECT_EQ(softmax(none).shape(), (Shape{0, 5}));
  EXPECT_EQ(softmax(Tensor::empty({3, 0})).shape(), (Shape{3, 0}));
}

TEST(Normalization, WrongShapesAreNamed) {
  const Tensor x = waves({2, 6});
  try {
    layer_norm(x, waves({5}), Tensor(), 1e-5f);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "layer_norm: gain must be [C=6] but is [5]; C is 6 in x");
  }
  EXPECT_THROW(add_layer_norm(x, waves({3, 6}), waves({6}), Tensor(), 1e-5f), Error);
  EXPECT_THROW(rms_norm(x, Tensor(), 1e-5f), Error);
}

}  // namespace
}  // namespace heed
