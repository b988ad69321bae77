#include <gtest/gtest.h>

#include <cmath>

#include "heed/base/parallel.h"
#include "heed/ops/activation.h"
#include "heed/ops/elementwise.h"
#include "heed/ops/embedding.h"
#include "heed/ops/reduce.h"
#include "tests/expect_error.h"
#include "tests/golden.h"
#include "tests/ops/gradient_laws.h"

namespace heed {
namespace {

using testing::Doubles;
using testing::expect_gradients;
using testing::expect_same_bits;
using testing::random_tensor;
using Tensors = std::vector<Tensor>;
using Values = std::vector<Doubles>;

// Sums of up to 20 products in f32 beside f64, relative to the largest.
constexpr double kTolerance = 2e-6;

TEST(AddGradient, SumsWhatBroadcastingRepeats) {
  const Tensor x = random_tensor({2, 3, 4}, 1);
  for (const Shape& shape : {Shape{2, 3, 4}, Shape{4}, Shape{3, 1}, Shape{2, 1, 4}, Shape{1}}) {
    const Tensor b = random_tensor(shape, 2);
    const Tensor wide = b.expand(x.shape());
    const auto at = [&](const Tensor& t, int64_t i) {
      return size_t(i / 12 * t.stride(0) + i / 4 % 3 * t.stride(1) + i % 4 * t.stride(2));
    };
    expect_gradients(
        {x, b}, [](const Tensors& in) { return add(in[1], in[0]); },
        [&](const Values& in) {
          Doubles y;
          for (int64_t i = 0; i < 24; ++i) y.push_back(in[0][size_t(i)] + in[1][at(wide, i)]);
          return y;
        },
        kTolerance);
    expect_gradients(
        {x, b}, [](const Tensors& in) { return multiply(in[0], in[1]); },
        [&](const Values& in) {
          Doubles y;
          for (int64_t i = 0; i < 24; ++i) y.push_back(in[0][size_t(i)] * in[1][at(wide, i)]);
          return y;
        },
        kTolerance);
  }
}

TEST(MultiplyGradient, OfATensorAndItself) {
  expect_gradients(
      {random_tensor({7}, 1)}, [](const Tensors& in) { return multiply(in[0], in[0]); },
      [](const Values& in) {
        Doubles y = in[0];
        for (double& value : y) value *= value;
        return y;
      },
      kTolerance);
}

TEST(ScaleGradient, OfAView) {
  expect_gradients(
      {random_tensor({3, 5}, 1)},
      [](const Tensors& in) { return scale(in[0].transpose(0, 1).slice(0, 1, 4), 0.3F); },
      [](const Values& in) {
        Doubles y;
        for (size_t c = 1; c < 4; ++c) {
          for (size_t r = 0; r < 3; ++r) y.push_back(in[0][r * 5 + c] * double{0.3F});
        }
        return y;
      },
      kTolerance);
}

TEST(ActivateGradient, OfEveryActivation) {
  for (const Activation activation : testing::kActivations) {
    expect_gradients(
        {random_tensor({4, 9}, 3, 2.0F)},
        [&](const Tensors& in) { return activate(in[0].transpose(0, 1), activation); },
        [&](const Values& in) {
          Doubles y;
          for (size_t c = 0; c < 9; ++c) {
            for (size_t r = 0; r < 4; ++r)
              y.push_back(testing::activated(activation, in[0][r * 9 + c]));
          }
          return y;
        },
        kTolerance);
  }
}

TEST(DropoutGradient, IsTheSameMask) {
  const Tensor x = leaf(random_tensor({50, 41}, 1));
  const Dropout half{0.5F, 7};
  const Tensor y = dropout(x, half);
  const Tensor dy = random_tensor(y.shape(), 2);
  backward(y, dy);
  expect_same_bits(gradient(x), dropout(dy, half), "the mask of dy");
  int64_t kept = 0;
  for (int64_t i = 0; i < x.numel(); ++i) {
    const float factor = y.span<float>()[size_t(i)] / x.span<float>()[size_t(i)];
    EXPECT_TRUE(factor == 0 || factor == 2);
    kept += factor != 0 ? 1 : 0;
  }
  EXPECT_NEAR(double(kept), 1025, 4.5 * std::sqrt(2050 * 0.25));
  for (const int threads : {2, 3, 7}) {
    set_num_threads(threads);
    expect_same_bits(dropout(x, half), y, "more threads");
  }
  set_num_threads(1);
  EXPECT_EQ(dropout(x, {}).raw_data(), x.raw_data());
  expect_error(ErrorCode::invalid_argument, {"[0, 1)", "1.0"}, [&] { dropout(x, {1.0F, 7}); });
}

TEST(EmbeddingGradient, AddsRowsWhereIdsRepeat) {
  const Tensor ids = Tensor::from(std::vector<int32_t>{2, 0, 2, 4, 2, 0}, {2, 3});
  const auto law = [&](const Values& in) {
    Doubles y;
    for (const int32_t id : ids.span<int32_t>()) {
      for (size_t c = 0; c < 5; ++c) y.push_back(in[0][size_t(id) * 5 + c]);
    }
    return y;
  };
  expect_gradients(
      {random_tensor({6, 5}, 1)}, [&](const Tensors& in) { return embedding(in[0], ids); }, law,
      kTolerance);
  expect_gradients(  // twice the same table
      {random_tensor({6, 5}, 1)},
      [&](const Tensors& in) { return add(embedding(in[0], ids), embedding(in[0], ids)); },
      [&](const Values& in) {
        Doubles y = law(in);
        for (double& value : y) value *= 2;
        return y;
      },
      kTolerance);
  expect_gradients(  // a table whose rows are columns in memory
      {random_tensor({5, 6}, 1)},
      [&](const Tensors& in) { return embedding(in[0].transpose(0, 1), ids); },
      [&](const Values& in) {
        Doubles y;
        for (const int32_t id : ids.span<int32_t>()) {
          for (size_t c = 0; c < 5; ++c) y.push_back(in[0][c * 6 + size_t(id)]);
        }
        return y;
      },
      kTolerance);
}

TEST(EmbeddingGradient, ThePaddingsRowGetsNone) {
  const Tensor values = random_tensor({6, 5}, 1);
  const Tensor ids = Tensor::from(std::vector<int32_t>{2, 0, 2, 4, 2, 0}, {6});
  const Tensor dy = random_tensor({6, 5}, 2);
  const Tensor all = leaf(values), but_one = leaf(values);
  const Tensor y = embedding(but_one, ids, /*padding=*/2);
  expect_same_bits(y.detach(), embedding(values, ids), "values");
  backward(embedding(all, ids), dy);
  backward(y, dy);
  for (int64_t row = 0; row < 6; ++row) {
    expect_same_bits(gradient(but_one).select(0, row),
                     row == 2 ? Tensor::zeros({5}) : gradient(all).select(0, row), "row");
  }
}

TEST(EmbeddingGradient, SameBitsAtAnyNumberOfThreadsAndIntoAGradientThatIsThere) {
  const Tensor values = random_tensor({30, 100}, 1);
  std::vector<int32_t> list;
  for (int32_t i = 0; i < 500; ++i) list.push_back(i * i % 29);
  const Tensor ids = Tensor::from(list, {500});
  const Tensor dy = random_tensor({500, 100}, 2);
  const auto run = [&](int threads) {
    set_num_threads(threads);
    const Tensor table = leaf(values);
    backward(embedding(table, ids), dy);
    const Tensor first = gradient(table);
    const Tensor kept = first.clone();
    backward(embedding(table, ids), dy);
    expect_same_bits(first, kept, "what was handed out stays");
    expect_same_bits(gradient(table).select(0, 29), Tensor::zeros({100}), "a row of no id");
    return gradient(table);
  };
  const Tensor one = run(1);
  for (const int threads : {2, 3, 7}) expect_same_bits(run(threads), one, "more threads");
  set_num_threads(1);
}

TEST(ReduceGradient, SumAndMeanOverEachDimension) {
  const Tensor x = random_tensor({2, 3, 4}, 1);
  for (const int dim : {0, 1, 2, -1}) {
    const int64_t size = x.size(dim);
    const int64_t inner = dim == 0 ? 12 : dim == 1 ? 4 : 1;
    const auto law = [&](double factor) {
      return [=](const Values& in) {
        Doubles y(24 / size_t(size), 0.0);
        for (int64_t i = 0; i < 24; ++i) {
          y[size_t(i / (inner * size) * inner + i % inner)] += in[0][size_t(i)] * factor;
        }
        return y;
      };
    };
    expect_gradients(
        {x}, [&](const Tensors& in) { return sum(in[0], dim); }, law(1), kTolerance);
    expect_gradients(
        {x}, [&](const Tensors& in) { return mean(in[0], dim); }, law(1.0 / double(size)),
        kTolerance);
  }
  EXPECT_EQ(sum(x.transpose(0, 2), 0).shape(), (Shape{3, 2}));
  EXPECT_EQ(sum(Tensor::empty({0, 2}), 0).at({1}), 0);
  expect_error(ErrorCode::invalid_argument, {"sum: dimension 3"}, [&] { sum(x, 3); });
}

TEST(ConcatenateGradient, GivesEachPartItsOwn) {
  for (const int dim : {0, 1, 2}) {
    Shape other{2, 3, 4};
    other[dim] = 5;
    const auto join = [&](const Tensors& in) { return concatenate({in[0], in[1], in[0]}, dim); };
    const Tensor x = random_tensor({2, 3, 4}, 1), z = random_tensor(other, 2);
    const Tensor y = join({x, z});
    int64_t at = 0;
    for (const Tensor& part : {x, z, x}) {
      expect_same_bits(y.slice(dim, at, at + part.size(dim)), part, "a part");
      at += part.size(dim);
    }
    // linear: the law may be the operation itself
    expect_gradients(
        {x, z}, join,
        [&](const Values& in) {
          Tensor a = Tensor::empty(x.shape()), b = Tensor::empty(z.shape());
          for (size_t i = 0; i < in[0].size(); ++i) a.span<float>()[i] = float(i);
          for (size_t i = 0; i < in[1].size(); ++i) b.span<float>()[i] = -1 - float(i);
          Doubles result;
          for (const double i : testing::doubles(join({a, b}))) {
            result.push_back(i >= 0 ? in[0][size_t(i)] : in[1][size_t(-1 - i)]);
          }
          return result;
        },
        kTolerance);
  }
  expect_error(ErrorCode::invalid_argument, {"[2, 3]", "[3, 3]"}, [] {
    concatenate({Tensor::zeros({2, 3}), Tensor::zeros({3, 3})}, 1);
  });
  expect_error(ErrorCode::invalid_argument, {"at least one"}, [] { concatenate({}, 0); });
}

}  // namespace
}  // namespace heed
