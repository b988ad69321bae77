#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "heed/base/parallel.h"
#include "heed/kernels/dispatch.h"
#include "heed/ops/attention.h"
#include "tests/golden.h"
#include "tests/random_tensor.h"

namespace heed {
namespace {

constexpr int64_t kKeys = 9000;  // more than a block of keys, and no whole number of chunks

Tensor random(const Shape& shape, unsigned seed, DType dtype = DType::f32) {
  return testing::random_tensor(shape, seed, 1.0F, dtype);
}

struct Inputs {
  Tensor q, k, v;
};

Inputs inputs(int64_t queries, DType dtype = DType::f32) {
  return {random({1, 1, queries, 24}, 1, dtype), random({1, 1, kKeys, 24}, 2, dtype),
          random({1, 1, kKeys, 37}, 3, dtype)};
}

class Split : public ::testing::TestWithParam<kernels::Isa> {
 protected:
  void SetUp() override { kernels::pin_isa(GetParam()); }
  void TearDown() override {
    kernels::pin_isa(kernels::available_isas().back());
    set_num_threads(threads_);
  }
  /// Seven threads, which share the keys, give what one gives, which takes them in order.
  static void expect_same(const Inputs& x, const AttentionOptions& options,
                          const std::string& what) {
    set_num_threads(1);
    const AttentionOutputs alone = attention_outputs(x.q, x.k, x.v, options, {.lse = true});
    set_num_threads(7);
    const AttentionOutputs shared = attention_outputs(x.q, x.k, x.v, options, {.lse = true});
    testing::expect_same_bits(shared.y, alone.y, what);
    testing::expect_same_bits(shared.lse, alone.lse, what);
  }

 private:
  int threads_ = num_threads();
};

TEST_P(Split, GivesTheSameBitsForAnyNumberOfQueries) {
  for (const int64_t queries : {2, 7, 16, 17, 33}) {
    expect_same(inputs(queries), {}, std::to_string(queries));
  }
}

TEST_P(Split, GivesTheSameBitsWithEveryOption) {
  const Tensor one = Tensor::from({0.01F}, {1});
  const std::vector<AttentionOptions> all{
      {.softcap = 2.0F},
      {.mask = Mask::causal(Align::bottom_right)},
      {.mask = Mask::causal(Align::top_left)},
      {.mask = Mask::causal(Align::bottom_right) & Mask::window(2500, 0)},
      {.mask = Mask::padding({4200})},
      {.mask = Mask::padding({0})},
      {.mask = Mask::additive(random({9, kKeys}, 4))},
      {.alibi = one},
      {.sinks = one},
      {.dropout = {.probability = 0.2F, .seed = 3}},
  };
  for (size_t i = 0; i < all.size(); ++i) {
    expect_same(inputs(9), all[i], "option " + std::to_string(i));
  }
  for (const DType dtype : {DType::bf16, DType::f16}) {
    expect_same(inputs(9, dtype), {}, std::string(to_string(dtype)));
  }
}

TEST_P(Split, HiddenValuesMayHoldAnything) {
  const Inputs x = inputs(5);
  const Tensor visible = Tensor::empty({kKeys}, DType::boolean);
  for (int64_t s = 0; s < kKeys; ++s) visible.data<bool>()[s] = s % 5 != 0;
  const AttentionOptions options{.mask = Mask::boolean(visible)};
  set_num_threads(7);
  const Tensor y = attention(x.q, x.k, x.v, options);
  x.v.at({0, 0, 4000, 20}) = std::numeric_limits<float>::quiet_NaN();
  x.k.at({0, 0, 4000, 20}) = std::numeric_limits<float>::infinity();
  testing::expect_same_bits(attention(x.q, x.k, x.v, options), y, "y");
}

INSTANTIATE_TEST_SUITE_P(, Split, ::testing::ValuesIn(kernels::available_isas()),
                         [](const auto& isa) { return std::string(to_string(isa.param)); });

}  // namespace
}  // namespace heed
