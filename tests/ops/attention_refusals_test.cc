// What attention refuses: shapes, options and masks that cannot be, each with needed and found.
#include <gtest/gtest.h>

#include <string>

#include "heed/ops/attention.h"
#include "tests/expect_error.h"
#include "tests/random_tensor.h"

namespace heed {
namespace {

using testing::random_tensor;

/// [B=1, H=2, T=5, D=4] on [1, 2, 6, 4].
class AttentionRefuses : public ::testing::Test {
 protected:
  void expect(const std::string& message, const AttentionOptions& options) const {
    expect(message, [&] { attention(q, k, v, options); });
  }
  void expect_of(const std::string& message, const Mask& mask) const {
    expect(message, AttentionOptions{.mask = mask});
  }
  template <class Body>
  void expect(const std::string& message, const Body& body) const {
    expect_error(ErrorCode::invalid_argument, {message}, body);
  }
  const Tensor q = random_tensor({1, 2, 5, 4}, 1);
  const Tensor k = random_tensor({1, 2, 6, 4}, 2), v = random_tensor({1, 2, 6, 4}, 3);
};

TEST_F(AttentionRefuses, Elements) {
  expect("attention: k and v must have one dtype but are f32 and bf16",
         [&] { attention(q, k, v.to(DType::bf16)); });
  expect("attention: q must be f32, bf16 or f16 but is i32", [&] {
    attention(Tensor::empty({1, 2, 5, 4}, DType::i32), k, v);
  });
}

TEST_F(AttentionRefuses, NumbersAHead) {
  expect("attention: alibi must be f32 of shape [H=2] but is f32 [3]",
         {.alibi = random_tensor({3}, 1)});
  expect("attention: sinks must be f32 of shape [H=2] but is bf16 [2]",
         {.sinks = random_tensor({2}, 1).to(DType::bf16)});
  expect("attention: the relative bias' table must be f32 [buckets >= 4, H=2] but is f32 [2, 2]",
         {.relative = RelativeBuckets{random_tensor({2, 2}, 1)}});
  expect("attention: the relative bias' table must be f32 [buckets >= 2, H=2] but is f32 [8, 3]",
         {.relative = RelativeBuckets{random_tensor({8, 3}, 1), false}});
  expect(
      "attention: the relative bias' max_distance must be above 4, the distances with a bucket "
      "each, but is 4",
      {.relative = RelativeBuckets{random_tensor({8, 2}, 1), false, 4}});
}

TEST_F(AttentionRefuses, Dropout) {
  for (const float probability : {-0.1F, 1.0F}) {
    expect("attention: dropout must be in [0, 1) but is " + std::to_string(probability),
           {.dropout = {.probability = probability}});
  }
}

TEST_F(AttentionRefuses, Segments) {
  expect_of("attention: query segments must end at T=5 but end at 4",
            Mask::segments({0, 2, 4}, {0, 3, 6}));
  expect_of("attention: key segments must end at S=6 but end at 7",
            Mask::segments({0, 2, 5}, {0, 3, 7}));
  expect_of("attention: segments and lengths cannot be combined",
            Mask::segments({0, 2, 5}, {0, 3, 6}) & Mask::padding({6}));
  const Mask two = Mask::segments({0, 2, 5}, {0, 3, 6});
  expect("attention: segments need a batch of 1 but B is 2", [&] {
    attention(q.expand({2, 2, 5, 4}), k.expand({2, 2, 6, 4}), v.expand({2, 2, 6, 4}),
              {.mask = two});
  });
  expect("mask: needed one list of segments, found two", [&] { two& two; });
  expect("mask: needed as many starts of key segments as of query segments, found 2 and 3", [] {
    Mask::segments({0, 2, 5}, {0, 6});
  });
  expect("mask: needed query starts from 0 on, none below the one before, found 2 after 4", [] {
    Mask::segments({0, 4, 2}, {0, 3, 6});
  });
  expect("mask: needed key starts from 0 on, none below the one before, found a first one of 1",
         [] {
           Mask::segments({0, 5}, {1, 6});
         });
  expect("mask: needed query starts from 0 on, none below the one before, found none",
         [] { Mask::segments({}, {}); });
}

TEST_F(AttentionRefuses, RangesOfKeys) {
  expect_of("attention: needed lengths for B=1 batch rows (or one for all), found 2",
            Mask::padding({6, 6}));
  expect("mask: needed a length for each batch row (or one for all), found none",
         [] { Mask::padding({}); });
  expect("mask: needed a causal offset for each batch row (or one for all), found none",
         [] { Mask::causal(std::vector<int64_t>()); });
  expect(
      "mask: needed a window of at least 0 keys on each side (Mask::kOpen for all), found -1 "
      "and 3",
      [] { Mask::window(-1, 3); });
  expect("mask: needed lengths of equal batch sizes to combine, found 2 and 3", [] {
    Mask::padding({1, 2}) & Mask::padding({1, 2, 3});
  });
}

TEST_F(AttentionRefuses, MaskTensors) {
  expect("mask: an additive mask must be f32 but is bf16",
         [&] { Mask::additive(q.to(DType::bf16)); });
  expect("mask: needed a tensor for a boolean mask, found none", [] { Mask::boolean(Tensor()); });
  expect_of(
      "attention: a mask must broadcast to [B, H, T, S] = [1, 2, 5, 6] but is [1, 1, 1, 5, 6]",
      Mask::additive(Tensor::full({1, 1, 1, 5, 6}, 0.0F)));
}

TEST_F(AttentionRefuses, Pages) {
  const Tensor rows = random_tensor({3, 2, 4, 4}, 4);  // three pages of four tokens
  const auto paged = [&](const Tensor& table, const Mask& mask) {
    return attention(q, KvPages{rows, rows, table}, {.mask = mask});
  };
  const Tensor table = Tensor::from<int32_t>({1, 3}, {1, 2});
  expect("attention: a page table's entries must be in [0, P=3) but entry 1 of batch row 0 is 3",
         [&] { paged(table, {}); });
  expect("but entry 0 of batch row 0 is -1", [&] {
    paged(Tensor::from<int32_t>({-1, 0}, {1, 2}), {});
  });
  EXPECT_EQ(paged(table, Mask::padding({4})).shape(), q.shape());  // the wrong one is not read
  expect("attention: needed lengths of at most S=8 keys, found 9",
         [&] { paged(table, Mask::padding({9})); });
  expect("attention: segments and pages cannot be combined", [&] {
    paged(table, Mask::segments({0, 5}, {0, 8}));
  });
  expect("table must be [B=1, M]", [&] { paged(Tensor::from<int32_t>({0, 1}, {2, 1}), {}); });
}

}  // namespace
}  // namespace heed
