#include "heed/nn/parameter_store.h"

#include <gtest/gtest.h>

#include <cmath>

#include "heed/autograd/tape.h"
#include "heed/base/parallel.h"
#include "tests/expect_error.h"
#include "tests/golden.h"

namespace heed {
namespace {

Init rule(std::string_view name, const Shape& shape) {
  if (name.ends_with("bias")) return Init::zeros();
  if (name.ends_with("gain")) return Init::ones();
  return name.starts_with("even") ? Init::xavier_uniform(shape) : Init::normal(0.02F);
}

TEST(ParameterStore, CopiesACheckpointIntoLeaves) {
  const Tensor weight = Tensor::from({1, 2, 3, 4, 5, 6}, {2, 3});
  const ParameterStore store(
      std::map<std::string, Tensor>{{"a.weight", weight},
                                    {"a.half", weight.to(DType::bf16)},
                                    {"a.ids", Tensor::zeros({3}, DType::i64)}});
  EXPECT_EQ(store.names(), (std::vector<std::string>{"a.half", "a.weight"}));
  EXPECT_EQ(store.numel(), 12);
  weight.data<float>()[0] = 9;
  const Tensor seen = (store.params() / "a").tensor("weight", {2, 3});
  EXPECT_EQ(seen.at({0, 0}), 1);
  EXPECT_TRUE(seen.traced());
  EXPECT_EQ(store["a.half"].dtype(), DType::f32);
  store.assign("a.weight", Tensor::full({2, 3}, 7));
  EXPECT_EQ(seen.at({1, 2}), 7);
  EXPECT_FALSE(store.tensors().front().second.traced());
}

TEST(ParameterStore, MakesWhatAModelAsksFor) {
  const ParameterStore store(ParameterOptions{.init = rule, .seed = 5});
  const Params params = store.params();
  EXPECT_FALSE((params / "even").contains("weight"));
  const Tensor even = (params / "even").tensor("weight", {300, 200});
  EXPECT_TRUE((params / "even").contains("weight"));
  const Tensor again = (params / "even").tensor("weight", {300, 200});
  EXPECT_EQ(even.raw_data(), again.raw_data());
  const Tensor normal = params.tensor("normal", {100, 1003});
  double sum = 0, squares = 0, highest = 0;
  for (const float x : normal.span<float>()) {
    sum += x;
    squares += double{x} * x;
  }
  const double n = double(normal.numel());
  EXPECT_NEAR(sum / n, 0, 5 * 0.02 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 0.0004, 5 * 0.0004 * std::sqrt(2 / n));
  for (const float x : even.span<float>()) highest = std::max(highest, std::abs(double{x}));
  const double bound = std::sqrt(6.0 / 500.0);
  EXPECT_LE(highest, bound);
  EXPECT_GT(highest, 0.999 * bound);
  EXPECT_EQ(params.tensor("gain", {1}).at({0}), 1);
  EXPECT_EQ(params.tensor("bias", {1}).at({0}), 0);
}

TEST(ParameterStore, AValueIsAFunctionOfSeedAndNameAlone) {
  const ParameterStore one(ParameterOptions{.init = rule, .seed = 5});
  const ParameterStore two(ParameterOptions{.init = rule, .seed = 5});
  const ParameterStore other(ParameterOptions{.init = rule, .seed = 6});
  const Tensor a = one.params().tensor("a", {37, 11});
  const Tensor b = one.params().tensor("b", {37, 11});
  set_num_threads(3);
  testing::expect_same_bits(two.params().tensor("b", {37, 11}), b, "made first");
  set_num_threads(1);
  testing::expect_same_bits(two.params().tensor("a", {37, 11}), a, "made last");
  EXPECT_GT(testing::distance(a, b), 0);
  EXPECT_GT(testing::distance(a, other.params().tensor("a", {37, 11})), 0);
}

TEST(ParameterStore, FrozenOnesAreNoLeaves) {
  const ParameterStore store({{"base", Tensor::zeros({2})}, {"head", Tensor::zeros({2})}},
                             {.frozen = [](std::string_view name) { return name == "base"; }});
  ASSERT_EQ(store.trained().size(), 1U);
  EXPECT_EQ(store.trained()[0].first, "head");
  EXPECT_FALSE(store["base"].traced());
  EXPECT_FALSE(gradient(store["head"]).defined());
}

TEST(ParameterStore, SaysWhatIsMissing) {
  const ParameterStore store(std::map<std::string, Tensor>{{"head.weight", Tensor::zeros({2})}});
  expect_error(ErrorCode::not_found, {"head.weigth", "head.weight"}, [&] { store["head.weigth"]; });
  expect_error(ErrorCode::not_found, {"head.bias", "the parameters"},
               [&] { store.params().tensor("head.bias", {2}); });
  expect_error(ErrorCode::invalid_argument, {"[2]", "[3]"},
               [&] { store.assign("head.weight", Tensor::zeros({3})); });
}

}  // namespace
}  // namespace heed
