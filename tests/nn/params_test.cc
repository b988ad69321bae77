#include "heed/nn/params.h"

#include <gtest/gtest.h>

#include "tests/expect_error.h"

namespace heed {
namespace {

Params some() {
  return Params::from({{"encoder.layer.0.dense.weight", Tensor::zeros({2, 3})},
                       {"encoder.layer.0.dense.bias", Tensor::zeros({2})},
                       {"encoder.layer.01.extra", Tensor::zeros({1})}});
}

TEST(Params, WalksPaths) {
  const Params dense = some() / "encoder" / "layer" / 0 / "dense";
  EXPECT_EQ(dense.prefix(), "encoder.layer.0.dense");
  EXPECT_EQ(dense.tensor("weight", {2, 3}).shape(), (Shape{2, 3}));
  EXPECT_FALSE(dense.maybe("scale", {2}).defined());
  EXPECT_TRUE(dense.contains("bias"));
}

TEST(Params, AMissingWeightNamesWhatIsNear) {
  const Params dense = some() / "encoder" / "layer" / 1 / "dense";
  expect_error(
      ErrorCode::not_found,
      {"encoder.layer.1.dense.bias [2]", "the given tensors", "encoder.layer.0.dense.bias"},
      [&] { dense.tensor("bias", {2}); });
  expect_error(ErrorCode::not_found, {"none of its 0 names"},
               [] { Params::from({}).tensor("weight", {1}); });
}

TEST(Params, AWrongShapeNamesBoth) {
  expect_error(ErrorCode::corrupt_data, {"dense.weight must be [3, 3] but is [2, 3]"}, [] {
    (some() / "encoder" / "layer" / 0 / "dense").tensor("weight", {3, 3});
  });
}

TEST(Params, ADTypeThatIsNotComputedIsNamed) {
  const Params params = Params::from({{"a.weight", Tensor::zeros({2}, DType::i64)}});
  expect_error(ErrorCode::unsupported, {"a.weight is i64", "f32, bf16 and f16"},
               [&] { params.tensor("a.weight", {2}); });
}

TEST(Params, KnowsWhatNobodyAskedFor) {
  const Params params = some();
  (params / "encoder" / "layer" / 0 / "dense").tensor("weight", {2, 3});
  EXPECT_EQ((params / "encoder" / "layer" / 0).unused(),
            std::vector<std::string>{"encoder.layer.0.dense.bias"});
  EXPECT_EQ(params.unused().size(), 2u);
}

}  // namespace
}  // namespace heed
