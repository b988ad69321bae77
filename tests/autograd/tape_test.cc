#include "heed/autograd/tape.h"

#include <gtest/gtest.h>

#include <vector>

#include "heed/base/error.h"
#include "heed/base/parallel.h"

namespace heed {
namespace {

/// y = x1 * x2, element by element, recorded as an operation of heed/ops would.
Tensor times(const Tensor& a, const Tensor& b) {
  const auto product = [](const Tensor& x, const Tensor& y) {
    const Tensor left = x.detach().contiguous();
    const Tensor right = y.detach().contiguous();
    const Tensor result = Tensor::empty(x.shape());
    for (int64_t i = 0; i < result.numel(); ++i) {
      result.data<float>()[i] = left.data<float>()[i] * right.data<float>()[i];
    }
    return result;
  };
  const Tensor y = product(a, b);
  if (!recording({&a, &b})) return y;
  return record(y, {a, b}, [=, x1 = a.detach(), x2 = b.detach()](const Tensor& dy, Gradients& to) {
    if (to.wants(0)) to.add(0, product(dy, x2));
    if (to.wants(1)) to.add(1, product(dy, x1));
  });
}

Tensor sum(const Tensor& x) {
  float total = 0;
  const Tensor in = x.detach().contiguous();
  for (const float value : in.span<float>()) total += value;
  const Tensor y = Tensor::from({total}, {1});
  if (!recording({&x})) return y;
  return record(y, {x}, [shape = x.shape()](const Tensor& dy, Gradients& to) {
    to.add(0, dy.reshape(Shape()).expand(shape));
  });
}

std::vector<float> numbers(const Tensor& x) {
  const Tensor in = x.contiguous();
  const auto span = in.span<float>();
  return {span.begin(), span.end()};
}

TEST(Tape, GradientsOfAProduct) {
  const Tensor a = leaf(Tensor::from({2, 3}, {2}));
  const Tensor b = leaf(Tensor::from({5, 7}, {2}));
  backward(sum(times(a, b)));
  EXPECT_EQ(numbers(gradient(a)), (std::vector<float>{5, 7}));
  EXPECT_EQ(numbers(gradient(b)), (std::vector<float>{2, 3}));
}

TEST(Tape, AValueUsedTwiceTakesTheSum) {
  const Tensor x = leaf(Tensor::from({2, -3}, {2}));
  const Tensor square = times(x, x);
  backward(sum(times(square, square)));  // x^4
  EXPECT_EQ(numbers(gradient(x)), (std::vector<float>{32, -108}));
}

TEST(Tape, GradientsAddUpUntilTheyAreCleared) {
  const Tensor x = leaf(Tensor::from({2}, {1}));
  EXPECT_FALSE(gradient(x).defined());
  backward(times(x, x));
  const Tensor before = gradient(x);
  backward(times(x, x));
  EXPECT_EQ(numbers(gradient(x)), std::vector<float>{8});
  EXPECT_EQ(numbers(before), std::vector<float>{4});  // as it was handed out
  clear_gradient(x);
  EXPECT_FALSE(gradient(x).defined());
}

TEST(Tape, ViewsPutTheirGradientInPlace) {
  const Tensor x = leaf(Tensor::from({1, 2, 3, 4, 5, 6}, {2, 3}));
  const Tensor weights = Tensor::from({10, 20, 30, 40}, {2, 2});
  backward(sum(times(x.slice(1, 1, 3).transpose(0, 1), weights)));
  EXPECT_EQ(numbers(gradient(x)), (std::vector<float>{0, 10, 30, 0, 20, 40}));
  clear_gradient(x);
  backward(sum(times(x.select(0, 1).unsqueeze(0), Tensor::from({7, 8, 9}, {1, 3}))));
  EXPECT_EQ(numbers(gradient(x)), (std::vector<float>{0, 0, 0, 7, 8, 9}));
  clear_gradient(x);
  backward(sum(times(x.reshape({3, 2}), Tensor::from({1, 2, 3, 4, 5, 6}, {3, 2}))));
  EXPECT_EQ(numbers(gradient(x)), (std::vector<float>{1, 2, 3, 4, 5, 6}));
}

TEST(Tape, ABroadcastTakesTheSum) {
  const Tensor x = leaf(Tensor::from({1, 2}, {2}));
  const Tensor column = leaf(Tensor::from({1, 2, 3}, {3, 1}));
  const Tensor weights = Tensor::from({1, 2, 3, 4, 5, 6}, {3, 2});
  backward(sum(times(x.expand({3, 2}), weights)));
  backward(sum(times(column.expand({3, 2}), weights)));
  EXPECT_EQ(numbers(gradient(x)), (std::vector<float>{9, 12}));
  EXPECT_EQ(numbers(gradient(column)), (std::vector<float>{3, 7, 11}));
}

TEST(Tape, APartRepeatedToTheSizeOfTheWholeIsNotTheWhole) {
  const Tensor x = leaf(Tensor::from({1, 2}, {2}));
  backward(sum(x.slice(0, 1, 2).expand({2})));  // whose gradient repeats one number too
  EXPECT_EQ(numbers(gradient(x)), (std::vector<float>{0, 2}));
  const Tensor y = leaf(Tensor::from({1, 2, 3, 4}, {4}));
  backward(y.slice(0, 0, 2).expand({2, 2}), Tensor::from({5, 6}, {2}).expand({2, 2}));
  EXPECT_EQ(numbers(gradient(y)), (std::vector<float>{10, 12, 0, 0}));
}

TEST(Tape, CopiesStandForTheirOriginal) {
  const Tensor x = leaf(Tensor::from({1, 2, 3, 4, 5, 6}, {2, 3}));
  const Tensor turned = x.transpose(0, 1).contiguous().reshape({6});  // 1 4 2 5 3 6
  backward(sum(times(turned, Tensor::from({1, 2, 3, 4, 5, 6}, {6}))));
  EXPECT_EQ(numbers(gradient(x)), (std::vector<float>{1, 3, 5, 2, 4, 6}));
  clear_gradient(x);
  backward(sum(times(x.to(DType::bf16).to(DType::f32).clone(), x.detach())));
  EXPECT_EQ(numbers(gradient(x)), (std::vector<float>{1, 2, 3, 4, 5, 6}));
}

TEST(Tape, AResultInAnotherOrderOfMemoryHasItsGradientInThatOrder) {
  const Tensor x = leaf(Tensor::from({1, 2, 3, 4, 5, 6}, {2, 3}));
  const Tensor blank = Tensor::empty({3, 2}).transpose(0, 1);  // [2, 3], columns together
  for (int64_t i = 0; i < 6; ++i) blank.at({i / 3, i % 3}) = static_cast<float>(i + 1);
  Shape seen;
  const Tensor y = record(blank, {x}, [&seen](const Tensor& dy, Gradients& to) {
    seen = dy.strides();
    to.add(0, dy);
  });
  const Tensor flat = y.transpose(0, 1).reshape({6});  // free: so it lies
  backward(sum(times(flat, Tensor::from({1, 2, 3, 4, 5, 6}, {6}))));
  EXPECT_EQ(seen, (Shape{1, 2}));
  EXPECT_EQ(numbers(gradient(x)), (std::vector<float>{1, 3, 5, 2, 4, 6}));
}

TEST(Tape, NothingIsRecordedWithoutNeed) {
  const Tensor x = leaf(Tensor::from({1}, {1}));
  EXPECT_FALSE(times(x.detach(), x.detach()).traced());
  EXPECT_TRUE(times(x, x).traced());
  const NoGrad off;
  EXPECT_FALSE(times(x, x).traced());
  EXPECT_FALSE(recording({&x}));
}

TEST(Tape, ALongChainIsReleasedWithoutRecursion) {
  const Tensor x = leaf(Tensor::from({1}, {1}));
  Tensor y = x;
  for (int i = 0; i < 200'000; ++i) {
    y = record(Tensor::from({1}, {1}), {y}, [](const Tensor& dy, Gradients& to) { to.add(0, dy); });
  }
  Tensor unused = record(Tensor::from({1}, {1}), {y}, [](const Tensor&, Gradients&) {});
  backward(y);
  EXPECT_EQ(numbers(gradient(x)), std::vector<float>{1});
}

TEST(Tape, RefusesWhatHasNoGradient) {
  const Tensor x = leaf(Tensor::from({1, 2}, {2}));
  EXPECT_THROW(backward(times(x, x)), Error);                        // not one number
  EXPECT_THROW(backward(Tensor::from({1}, {1})), Error);             // not recorded
  EXPECT_THROW((void)gradient(times(x, x)), Error);                  // no leaf
  EXPECT_THROW(backward(times(x, x), Tensor::full({3}, 1)), Error);  // another shape
  const Tensor loss = sum(times(x, x));
  backward(loss);
  EXPECT_THROW(backward(loss), Error);  // freed
}

TEST(Tape, SumsDoNotDependOnTheNumberOfThreads) {
  const Tensor terms = Tensor::empty({37, 1000, 64});
  for (int64_t i = 0; i < terms.numel(); ++i) {
    terms.data<float>()[i] = static_cast<float>((i * 2654435761U) % 1000) / 999.0F;
  }
  std::vector<std::vector<float>> results;
  const int threads = num_threads();
  for (const int n : {1, 2, 3, 7}) {
    set_num_threads(n);
    const Tensor x = leaf(Tensor::zeros({1000, 64}));
    const Tensor all = leaf(Tensor::zeros({1}));
    backward(sum(times(x.expand({37, 1000, 64}), terms)));
    backward(sum(times(all.expand({37, 1000, 64}), terms)));
    results.push_back(numbers(gradient(x)));
    results.back().push_back(gradient(all).at({0}));
  }
  set_num_threads(threads);
  for (const auto& result : results) EXPECT_EQ(result, results[0]);
}

/// x's element i, whose backward adds to that element alone.
Tensor pick(const Tensor& x, int64_t i) {
  const Tensor y = Tensor::from({x.data<float>()[i]}, {1});
  return record(y, {x}, [i](const Tensor& dy, Gradients& to) { to.sums(0).at({i}) += dy.at({0}); });
}

TEST(Tape, AddsInPlaceWhereFewElementsChange) {
  const Tensor x = leaf(Tensor::from({1, 2, 3}, {3}));
  backward(sum(times(pick(x, 1), pick(x, 2))));
  EXPECT_EQ(numbers(gradient(x)), (std::vector<float>{0, 3, 2}));
  const Tensor seen = gradient(x);
  backward(pick(x, 0));
  EXPECT_EQ(numbers(gradient(x)), (std::vector<float>{1, 3, 2}));
  EXPECT_EQ(numbers(seen), (std::vector<float>{0, 3, 2})) << "what was handed out stays";
  const Tensor whole = leaf(Tensor::from({1, 2, 3, 4}, {2, 2}));
  backward(pick(whole.select(1, 1), 1));
  EXPECT_EQ(numbers(gradient(whole)), (std::vector<float>{0, 0, 0, 1}));
}

/// The sum of two tensors, whose gradients it writes where they belong, if it may.
Tensor written_sum(const Tensor& a, const Tensor& b, bool& placed) {
  return record(Tensor::from({0}, {1}), {a, b},
                [shape = a.shape(), &placed](const Tensor& dy, Gradients& to) {
                  const std::vector<Tensor> places = to.places({0, 1});
                  placed = !places.empty();
                  const Tensor all = dy.reshape(Shape()).expand(shape);
                  for (const size_t i : {0U, 1U}) {
                    if (!placed) {
                      to.add(i, all);
                      continue;
                    }
                    for (int64_t at = 0; at < shape.numel(); ++at) {
                      places[i].at({at / shape[1], at % shape[1]}) = dy.at({0});
                    }
                  }
                });
}

TEST(Tape, PlacesAreOfViewsThatShareOutOneResult) {
  const Tensor x = leaf(Tensor::full({2, 2, 3}, 1));  // pairs of rows side by side
  bool placed = false;
  const auto back = [&](const Tensor& a, const Tensor& b) {
    backward(written_sum(a, b, placed));
    return placed;
  };
  EXPECT_TRUE(back(x.select(1, 1), x.select(1, 0)));
  EXPECT_EQ(numbers(gradient(x)), std::vector<float>(12, 1));
  EXPECT_FALSE(back(x.select(1, 1), x.select(1, 0))) << "there is a gradient by now";
  EXPECT_EQ(numbers(gradient(x)), std::vector<float>(12, 2));
  clear_gradient(x);
  EXPECT_TRUE(back(x.select(0, 0), x.select(0, 1)));
  EXPECT_EQ(numbers(gradient(x)), std::vector<float>(12, 1));
  clear_gradient(x);
  EXPECT_FALSE(back(x.select(1, 0), x.select(1, 0))) << "the other half would be left out";
  EXPECT_EQ(numbers(gradient(x)), (std::vector<float>{2, 2, 2, 0, 0, 0, 2, 2, 2, 0, 0, 0}));
  clear_gradient(x);
  EXPECT_FALSE(back(x.select(1, 0), leaf(Tensor::full({2, 3}, 1)))) << "of two results";
  EXPECT_FALSE(back(x.select(2, 0), x.select(2, 2))) << "the middle would be left out";
  EXPECT_FALSE(back(x.select(1, 0), Tensor::full({2, 3}, 1))) << "the other needs none";
}

/// Leaves in the order in which they were told of, each with its gradient of that moment.
struct Told {
  std::vector<Tensor> leaves;
  std::vector<size_t> order;
  std::vector<std::vector<float>> gradients;

  void back(const Tensor& y) {
    backward(y, Tensor::full({1}, 1).reshape(y.shape()), [&](const Trace& trace) {
      for (size_t i = 0; i < leaves.size(); ++i) {
        if (leaves[i].trace().get() != &trace) continue;
        order.push_back(i);
        gradients.push_back(numbers(gradient(leaves[i])));
      }
    });
  }
};

TEST(Tape, TellsOfEachLeafAsSoonAsItsGradientIsFinal) {
  Told told{.leaves = {leaf(Tensor::from({2, 3}, {2})), leaf(Tensor::from({5, 7}, {2})),
                       leaf(Tensor::from({1, 2}, {2}))},
            .order = {},
            .gradients = {}};
  const Tensor &a = told.leaves[0], &b = told.leaves[1], &c = told.leaves[2];
  told.back(sum(times(times(times(a, b), a), c)));  // c is last to be used, a is used twice
  EXPECT_EQ(told.order, (std::vector<size_t>{2, 0, 1}));
  EXPECT_EQ(told.gradients[0], (std::vector<float>{20, 63}));
  EXPECT_EQ(told.gradients[1], (std::vector<float>{20, 84}));
  EXPECT_EQ(told.gradients[2], (std::vector<float>{4, 18}));
}

TEST(Tape, TellsOfLeavesBehindARecordThatHandsNothingOn) {
  Told told{.leaves = {leaf(Tensor::from({2}, {1})), leaf(Tensor::from({3}, {1}))},
            .order = {},
            .gradients = {}};
  const Tensor inner = times(told.leaves[0], told.leaves[0]);
  const Tensor y = record(Tensor::from({4}, {1}), {inner, told.leaves[1]},
                          [](const Tensor& dy, Gradients& to) { to.add(1, dy); });
  backward(y, Tensor::full({1}, 1), [&](const Trace& trace) {
    told.order.push_back(&trace == told.leaves[0].trace().get() ? 0 : 1);
  });
  EXPECT_EQ(told.order, (std::vector<size_t>{1, 0}));
  EXPECT_FALSE(gradient(told.leaves[0]).defined());
}

}  // namespace
}  // namespace heed
