#include "heed/ops/elementwise.h"

#include <gtest/gtest.h>

#include "heed/base/error.h"
#include "heed/ops/activation.h"
#include "heed/ops/embedding.h"

namespace heed {
namespace {

std::vector<float> elements(const Tensor& x) {
  const Tensor packed = x.contiguous();
  return {packed.span<float>().begin(), packed.span<float>().end()};
}

TEST(Add, Broadcasts) {
  const Tensor a = Tensor::from({1, 2, 3, 4, 5, 6}, {2, 3});
  EXPECT_EQ(elements(add(a, a)), (std::vector<float>{2, 4, 6, 8, 10, 12}));
  EXPECT_EQ(elements(add(a, Tensor::from({10, 20, 30}, {3}))),
            (std::vector<float>{11, 22, 33, 14, 25, 36}));
  EXPECT_EQ(elements(add(Tensor::from({10, 20}, {2, 1}), a)),
            (std::vector<float>{11, 12, 13, 24, 25, 26}));
  EXPECT_EQ(elements(add(a, Tensor::from({100}, {1}))),
            (std::vector<float>{101, 102, 103, 104, 105, 106}));
  const Tensor cube = add(Tensor::from({1, 2}, {2, 1, 1}), a.transpose(0, 1));
  EXPECT_EQ(cube.shape(), (Shape{2, 3, 2}));
  EXPECT_EQ(cube.at({1, 2, 0}), 5);
  EXPECT_EQ(add(Tensor::empty({0, 3}), Tensor::zeros({3})).shape(), (Shape{0, 3}));
  EXPECT_THROW(add(a, Tensor::zeros({2})), Error);
}

TEST(Scale, AnyShape) {
  EXPECT_EQ(elements(scale(Tensor::from({1, 2, 3, 4}, {2, 2}).transpose(0, 1), 2.0f)),
            (std::vector<float>{2, 6, 4, 8}));
  EXPECT_EQ(scale(Tensor::empty({0}), 2.0f).numel(), 0);
}

TEST(Embedding, GathersRowsOfEachDtype) {
  const Tensor table = Tensor::from({0, 1, 10, 11, 20, 21.5f}, {3, 2});
  const Tensor ids = Tensor::from(std::vector<int32_t>{2, 0, 2, 1}, {2, 2});
  const std::vector<float> expected{20, 21.5f, 0, 1, 20, 21.5f, 10, 11};
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    const Tensor y = embedding(table.to(dtype), ids);
    EXPECT_EQ(y.shape(), (Shape{2, 2, 2}));
    EXPECT_EQ(elements(y), expected);
  }
  EXPECT_EQ(embedding(table, Tensor::empty({0}, DType::i32)).shape(), (Shape{0, 2}));
}

TEST(Embedding, NamesTheBadId) {
  const Tensor table = Tensor::zeros({3, 2});
  for (const int32_t bad : {3, -1}) {
    try {
      embedding(table, Tensor::from(std::vector<int32_t>{0, bad}, {2}));
      FAIL();
    } catch (const Error& error) {
      EXPECT_EQ(error.what(), "embedding: ids must be in [0, 3) but id " + std::to_string(bad) +
                                  " stands at position 1");
    }
  }
  EXPECT_THROW(embedding(table.to(DType::f64), Tensor::empty({1}, DType::i32)), Error);
  EXPECT_THROW(embedding(table, Tensor::zeros({1})), Error);
}

TEST(Activation, NamesAndShapes) {
  EXPECT_EQ(activation_from_name("gelu_new"), Activation::gelu_tanh);
  EXPECT_EQ(activation_from_name("swish"), Activation::silu);
  EXPECT_THROW(activation_from_name("softplus"), Error);
  const Tensor x = Tensor::from({-1, 2, 3, -4}, {2, 2}).transpose(0, 1);
  EXPECT_EQ(elements(activate(x, Activation::relu)), (std::vector<float>{0, 3, 2, 0}));
  EXPECT_EQ(elements(activate(x, Activation::none)), (std::vector<float>{-1, 3, 2, -4}));
  EXPECT_EQ(activate(Tensor::empty({0, 2}), Activation::gelu).shape(), (Shape{0, 2}));
}

}  // namespace
}  // namespace heed
