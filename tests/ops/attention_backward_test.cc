#include "heed/ops/attention_backward.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "heed/base/error.h"
#include "heed/base/parallel.h"
#include "tests/kernels/every_isa.h"
#include "tests/ops/attention_gradient_cases.h"
#include "tests/ops/attention_layouts.h"
#include "tests/random_tensor.h"

// Gradients of attention against f64 and against finite differences, and what must not change a bit
// of them. HEED_RANDOM_CASES and HEED_RANDOM_FIRST as attention_cases.h says.

namespace heed::testing {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// A gradient of y: sometimes laid out by token, sometimes with room between rows.
Tensor random_dy(const AttentionCase& c, unsigned seed) {
  const int64_t b = c.q.size(0), h = c.q.size(1), t = c.q.size(2), e = c.v.size(3);
  const auto make = [&](const Shape& shape) { return random_tensor(shape, seed).to(c.q.dtype()); };
  if (seed % 3 == 0) return make({b, t, h, e}).transpose(1, 2);
  if (seed % 3 == 1) return make({b, h, t, e + 3}).slice(3, 2, e + 2);
  return make({b, h, t, e});
}

/// Everything the options have.
AttentionGradientWant want_all(const AttentionCase& c) {
  return {.bias = !c.additives.empty(),
          .alibi = c.options.alibi.defined(),
          .t5_table = c.options.relative.has_value(),
          .sinks = c.options.sinks.defined()};
}

AttentionGradients run(const AttentionCase& c, const Tensor& dy,
                       const AttentionGradientWant& want) {
  const AttentionOutputs out = c.run({.lse = true});
  return attention_backward(c.q, c.k, c.v, c.options, out.y, out.lse, dy, want);
}

using Bounds = std::map<std::string, ExpectedGradient>;
using Named = std::vector<std::pair<std::string, Tensor>>;

Named named(const AttentionGradients& gradients) {
  Named all{{"dq", gradients.dq},         {"dk", gradients.dk},
            {"dv", gradients.dv},         {"dalibi", gradients.dalibi},
            {"dsinks", gradients.dsinks}, {"dt5_table", gradients.dt5_table}};
  for (size_t i = 0; i < gradients.dbias.size(); ++i) {
    all.emplace_back("dbias" + std::to_string(i), gradients.dbias[i]);
  }
  return all;
}

void expect_same_bits(const AttentionGradients& a, const AttentionGradients& b,
                      const std::string& what) {
  const Named left = named(a), right = named(b);
  for (size_t i = 0; i < left.size(); ++i) {
    const Tensor &x = left[i].second, &y = right[i].second;
    ASSERT_EQ(x.defined(), y.defined()) << left[i].first << ", " << what;
    if (!x.defined()) continue;
    ASSERT_EQ(to_string(x.shape()), to_string(y.shape())) << left[i].first << ", " << what;
    EXPECT_EQ(std::memcmp(x.contiguous().raw_data(), y.contiguous().raw_data(),
                          static_cast<size_t>(x.numel() * size_of(x.dtype()))),
              0)
        << left[i].first << ", " << what;
  }
}

void expect_near(const AttentionGradients& found, const Bounds& expected, const std::string& what) {
  for (const auto& [name, tensor] : named(found)) {
    if (!tensor.defined()) continue;
    const ExpectedGradient& gradient = expected.at(name);
    const Tensor values = tensor.to(DType::f32).contiguous();
    ASSERT_EQ(static_cast<size_t>(values.numel()), gradient.values.size()) << name << ", " << what;
    for (size_t i = 0; i < gradient.values.size(); ++i) {
      const auto value = static_cast<double>(values.data<float>()[i]);
      ASSERT_LE(std::abs(value - gradient.values[i]), gradient.tolerances[i])
          << name << " element " << i << ": " << value << " for " << gradient.values[i] << ", "
          << what;
    }
  }
}

// ---- against f64 ----

constexpr AttentionCaseLimits kLimits{.tokens = 280, .work = 1 << 19, .pages = false};

TEST(AttentionBackwardRandom, AgreesWithTheContractInDoublePrecision) {
  for_random_cases(120, 1, [](uint64_t seed) {
    const AttentionCase c = random_attention_case(seed, kLimits);
    const Tensor dy = random_dy(c, static_cast<unsigned>(seed));
    const auto expected = expected_gradients(c, dy);
    kernels::on_every_isa([&](kernels::Isa) {
      const AttentionGradients found = run(c, dy, want_all(c));
      EXPECT_EQ(found.dq.dtype(), c.q.dtype());
      EXPECT_EQ(found.dk.dtype(), c.k.dtype());
      EXPECT_EQ(found.dv.dtype(), c.k.dtype());
      expect_near(found, expected, c.text);
    });
  });
}

// ---- against finite differences ----

/// sum(y dy) in f64, from the contract.
double loss(const AttentionCase& c, const Tensor& dy) {
  double sum = 0;
  for (int64_t b = 0; b < c.q.size(0); ++b) {
    for (int64_t h = 0; h < c.q.size(1); ++h) {
      for (int64_t t = 0; t < c.q.size(2); ++t) {
        const ExpectedRow row = expected_row(c, b, h, t);
        for (size_t e = 0; e < row.y.size(); ++e) {
          sum += row.y[e] * static_cast<double>(dy.at({b, h, t, static_cast<int64_t>(e)}));
        }
      }
    }
  }
  return sum;
}

/// The derivative by one number, from four losses; what is left is of the order of step^4.
double slope(float& x, const std::function<double()>& loss_now) {
  constexpr float kStep = 0x1p-8F;
  const float before = x;
  const auto pair = [&](float step) {
    x = before + step;
    const double up = loss_now(), high = static_cast<double>(x);
    x = before - step;
    const double down = loss_now(), low = static_cast<double>(x);
    x = before;
    return (up - down) / (high - low);
  };
  const double near = pair(kStep), far = pair(2 * kStep);
  return near + (near - far) / 3;
}

void expect_slopes(const AttentionCase& c, const Tensor& dy, const Tensor& input,
                   const Tensor& gradient, uint64_t seed, const std::string& name,
                   const Bounds& bounds) {
  if (!gradient.defined()) return;
  const Tensor found = gradient.contiguous();
  for (uint64_t i = 0; i < 5 && found.numel() > 0; ++i) {
    const auto at =
        static_cast<int64_t>((seed * 31 + i * 7919) % static_cast<uint64_t>(found.numel()));
    float& x = input.data<float>()[at];
    if (!std::isfinite(x)) continue;
    const double expected = slope(x, [&] { return loss(c, dy); });
    const double tolerance =
        2e-5 * (1 + std::abs(expected)) + bounds.at(name).tolerances[static_cast<size_t>(at)];
    ASSERT_NEAR(found.data<float>()[at], expected, tolerance)
        << name << " element " << at << ", " << c.text;
  }
}

TEST(AttentionBackwardRandom, AgreesWithFiniteDifferences) {
  for_random_cases(120, 4, [](uint64_t seed) {
    AttentionCase c = random_attention_case(
        seed, {.tokens = 9, .work = 1 << 12, .pages = false, .halves = false, .poison = false});
    // Contiguous, so that one element of the data is one of the tensor.
    for (Tensor* tensor : {&c.q, &c.k, &c.v}) *tensor = tensor->clone();
    for (Tensor& mask : c.additives) mask = mask.clone();
    c.set_mask();
    const Tensor dy = random_dy(c, static_cast<unsigned>(seed));
    const AttentionGradients found = run(c, dy, want_all(c));
    const Bounds bounds = expected_gradients(c, dy);
    expect_slopes(c, dy, c.q, found.dq, seed, "dq", bounds);
    expect_slopes(c, dy, c.k, found.dk, seed, "dk", bounds);
    expect_slopes(c, dy, c.v, found.dv, seed, "dv", bounds);
    expect_slopes(c, dy, c.options.alibi, found.dalibi, seed, "dalibi", bounds);
    expect_slopes(c, dy, c.options.sinks, found.dsinks, seed, "dsinks", bounds);
    if (c.options.relative) {
      expect_slopes(c, dy, c.options.relative->table, found.dt5_table, seed, "dt5_table", bounds);
    }
    for (size_t i = 0; i < c.additives.size(); ++i) {
      expect_slopes(c, dy, c.additives[i], found.dbias[i], seed, "dbias" + std::to_string(i),
                    bounds);
    }
  });
}

// ---- bits ----

TEST(AttentionBackwardRandom, SameBitsAtAnyThreadCountAndWhateverIsWanted) {
  const int before = num_threads();
  for_random_cases(40, 4, [](uint64_t seed) {
    const AttentionCase c = random_attention_case(seed, kLimits);
    const Tensor dy = random_dy(c, static_cast<unsigned>(seed));
    kernels::on_every_isa([&](kernels::Isa) {
      set_num_threads(1);
      const AttentionGradients alone = run(c, dy, want_all(c));
      for (const int threads : {2, 3, 7}) {
        set_num_threads(threads);
        expect_same_bits(alone, run(c, dy, want_all(c)), c.text);
      }
      for (int bits = 1; bits < 7; ++bits) {
        const AttentionGradientWant want{
            .q = (bits & 1) != 0, .k = (bits & 2) != 0, .v = (bits & 4) != 0};
        AttentionGradients some = run(c, dy, want);
        EXPECT_EQ(some.dq.defined(), want.q);
        if (!want.q) some.dq = alone.dq;
        if (!want.k) some.dk = alone.dk;
        if (!want.v) some.dv = alone.dv;
        some.dalibi = alone.dalibi;
        some.dsinks = alone.dsinks;
        some.dt5_table = alone.dt5_table;
        some.dbias = alone.dbias;
        expect_same_bits(alone, some, c.text);
      }
    });
  });
  set_num_threads(before);
}

TEST(AttentionBackwardRandom, PaddingChangesNoBit) {
  AttentionCaseLimits limits = kLimits;
  limits.lengths = true;
  limits.poison = false;
  for_random_cases(60, 4, [&](uint64_t seed) {
    const AttentionCase c = random_attention_case(seed, limits);
    const Tensor dy = random_dy(c, static_cast<unsigned>(seed));
    kernels::on_every_isa([&](kernels::Isa) {
      expect_same_bits(run(c, dy, want_all(c)), run(c.poisoned(), dy, want_all(c)), c.text);
    });
  });
}

/// Places of x's shape, in memory of any layout that holds NaN.
Tensor place_like(Dice& dice, const Tensor& x, std::string* text) {
  return laid_out(dice, Tensor::full(x.shape(), kNan), text);
}

TEST(AttentionBackwardRandom, PlacesGetTheSameBitsWhereverTheyLie) {
  AttentionCaseLimits limits = kLimits;
  limits.halves = false;
  for_random_cases(60, 4, [&](uint64_t seed) {
    const AttentionCase c = random_attention_case(seed, limits);
    const Tensor dy = random_dy(c, static_cast<unsigned>(seed));
    std::string text = c.text + ", places:";
    kernels::on_every_isa([&](kernels::Isa) {
      Dice dice(seed);
      AttentionGradientWant want = want_all(c);
      const AttentionGradients expected = run(c, dy, want);
      want.places = {place_like(dice, c.q, &text), place_like(dice, c.k, &text),
                     place_like(dice, c.v, &text)};
      const AttentionGradients found = run(c, dy, want);
      expect_same_bits(expected, found, text);
      AttentionGradients placed = found;
      placed.dq = want.places[0];
      placed.dk = want.places[1];
      placed.dv = want.places[2];
      expect_same_bits(expected, placed, text);
    });
  });
}

/// Each property holds on each instruction set.
class AttentionBackward : public ::testing::TestWithParam<kernels::Isa> {
 protected:
  void SetUp() override { kernels::pin_isa(GetParam()); }
  void TearDown() override {
    kernels::pin_isa(before_);
    set_num_threads(threads_);
  }

 private:
  kernels::Isa before_ = kernels::active_isa();
  int threads_ = num_threads();
};
INSTANTIATE_TEST_SUITE_P(, AttentionBackward, ::testing::ValuesIn(kernels::available_isas()),
                         [](const auto& isa) { return std::string(to_string(isa.param)); });

AttentionCase plain_case(int64_t b, int64_t h, int64_t g, int64_t t, int64_t s, int64_t d,
                         int64_t e) {
  AttentionCase c;
  c.q = random_tensor({b, h, t, d}, 1);
  c.k = random_tensor({b, g, s, d}, 2);
  c.v = random_tensor({b, g, s, e}, 3);
  return c;
}

TEST_P(AttentionBackward, OneHeadHasTheSameBitsAtAnyThreadCount) {
  AttentionCase c = plain_case(1, 1, 1, 700, 900, 32, 24);
  c.corner = Corner::bottom_right;
  c.additives = {random_tensor({1, 1, 700, 900}, 5), random_tensor({900}, 6),
                 random_tensor({700, 1}, 7)};
  c.options.alibi = random_tensor({1}, 8, 0.01F);
  c.set_mask();
  const Tensor dy = random_dy(c, 4);
  set_num_threads(1);
  const AttentionGradients alone = run(c, dy, want_all(c));
  for (const int threads : {2, 3, 7}) {
    set_num_threads(threads);
    for (int again = 0; again < 3; ++again) expect_same_bits(alone, run(c, dy, want_all(c)), "");
  }
}

TEST_P(AttentionBackward, SegmentsEqualEachAlone) {
  AttentionCase c = plain_case(1, 4, 2, 300, 340, 16, 16);
  c.query_starts = {0, 100, 100, 231, 300};
  c.key_starts = {0, 40, 60, 200, 340};
  c.corner = Corner::bottom_right;
  c.additives = {random_tensor({4, 300, 340}, 5)};
  c.set_mask();
  const Tensor dy = random_dy(c, 2);
  const AttentionGradients all = run(c, dy, want_all(c));
  for (size_t i = 0; i + 1 < c.query_starts.size(); ++i) {
    const auto queries = [&](const Tensor& x, int dim) {
      return x.slice(dim, c.query_starts[i], c.query_starts[i + 1]);
    };
    const auto keys = [&](const Tensor& x, int dim) {
      return x.slice(dim, c.key_starts[i], c.key_starts[i + 1]);
    };
    AttentionCase one;
    one.q = queries(c.q, 2);
    one.k = keys(c.k, 2);
    one.v = keys(c.v, 2);
    one.corner = c.corner;
    one.additives = {keys(queries(c.additives[0], 1), 2)};
    one.set_mask();
    AttentionGradients part;
    part.dq = queries(all.dq, 2);
    part.dk = keys(all.dk, 2);
    part.dv = keys(all.dv, 2);
    part.dbias = {keys(queries(all.dbias[0], 1), 2)};
    expect_same_bits(run(one, queries(dy, 2), want_all(one)), part, std::to_string(i));
  }
}

TEST_P(AttentionBackward, BatchMatesDoNotMatter) {
  AttentionCase c = plain_case(3, 4, 2, 150, 200, 32, 32);
  c.lengths = {200, 131, 7};
  c.set_mask();
  const Tensor dy = random_dy(c, 2);
  const AttentionGradients all = run(c, dy, {});
  for (int64_t b = 0; b < 3; ++b) {
    const AttentionCase one = c.part(b, 0);
    AttentionGradients part;
    part.dq = all.dq.slice(0, b, b + 1);
    part.dk = all.dk.slice(0, b, b + 1);
    part.dv = all.dv.slice(0, b, b + 1);
    expect_same_bits(run(one, dy.slice(0, b, b + 1), {}), part, std::to_string(b));
  }
}

// ---- what is hidden ----

TEST_P(AttentionBackward, BlindRowsGiveAndGetNothing) {
  for (const bool sinks : {false, true}) {
    AttentionCase c = plain_case(1, 2, 1, 60, 50, 16, 16);
    c.corner = Corner::bottom_right;  // the first ten queries see nothing
    c.additives = {random_tensor({60, 50}, 5)};
    c.options.alibi = random_tensor({2}, 6, 0.1F);
    if (sinks) c.options.sinks = random_tensor({2}, 7);
    c.set_mask();
    const Tensor dy = random_dy(c, 2);
    const AttentionGradients clean = run(c, dy, want_all(c));
    for (int64_t h = 0; h < 2; ++h) {
      for (int64_t t = 0; t < 10; ++t) {
        for (int64_t i = 0; i < 16; ++i) {
          EXPECT_EQ(clean.dq.at({0, h, t, i}), 0.0F);
          dy.at({0, h, t, i}) = kNan;
          c.q.at({0, h, t, i}) = -kNan;
        }
      }
    }
    for (int64_t s = 0; s < 50; ++s) EXPECT_EQ(clean.dbias[0].at({9, s}), 0.0F);
    expect_same_bits(clean, run(c, dy, want_all(c)), "");
  }
}

TEST_P(AttentionBackward, NonFiniteKeysBehindAMaskHaveNoEffect) {
  const int64_t n = 100;
  AttentionCase c = plain_case(1, 2, 2, n, n, 20, 24);
  Tensor visible = Tensor::empty({1, n}, DType::boolean);
  Tensor bias = Tensor::full({1, n}, 0.0F);
  for (int64_t s = 0; s < n; ++s) visible.at<bool>({0, s}) = s % 7 != 3;
  for (int64_t s = 3; s < n; s += 7) bias.at({0, s}) = -std::numeric_limits<float>::infinity();
  const Tensor dy = random_dy(c, 2);
  for (const float poison : {kNan, std::numeric_limits<float>::infinity()}) {
    for (const bool boolean : {true, false}) {
      AttentionCase clean = c;
      if (boolean) clean.booleans = {visible};
      if (!boolean) clean.additives = {bias};
      clean.set_mask();
      AttentionCase dirty = clean;
      for (Tensor* rows : {&dirty.k, &dirty.v}) {
        *rows = rows->clone();
        for (int64_t s = 3; s < n; s += 7) rows->at({0, 1, s, 2}) = poison;
      }
      const AttentionGradients found = run(dirty, dy, want_all(clean));
      expect_same_bits(run(clean, dy, want_all(clean)), found, boolean ? "boolean" : "additive");
      EXPECT_EQ(found.dk.at({0, 1, 3, 0}), 0.0F);
      EXPECT_EQ(found.dv.at({0, 1, 10, 0}), 0.0F);
    }
  }
  // A poisoned last key reaches the last query, and of the others nobody.
  c.corner = Corner::top_left;
  c.set_mask();
  AttentionCase dirty = c;
  dirty.k = c.k.clone();
  for (int64_t h = 0; h < 2; ++h) dirty.k.at({0, h, n - 1, 0}) = kNan;
  const Tensor clean = run(c, dy, {}).dq, spoilt = run(dirty, dy, {}).dq;
  EXPECT_EQ(std::memcmp(clean.slice(2, 0, n - 1).contiguous().raw_data(),
                        spoilt.slice(2, 0, n - 1).contiguous().raw_data(),
                        static_cast<size_t>(2 * (n - 1) * 20) * sizeof(float)),
            0);
  EXPECT_FALSE(std::isfinite(spoilt.at({0, 0, n - 1, 0})));
}

TEST_P(AttentionBackward, EmptyInputs) {
  for (const auto& [t, s] : {std::pair<int64_t, int64_t>{0, 5}, {5, 0}, {0, 0}}) {
    AttentionCase c = plain_case(2, 2, 1, t, s, 4, 6);
    c.options.sinks = random_tensor({2}, 1);
    c.options.alibi = random_tensor({2}, 2);
    c.additives = {random_tensor({t, s}, 3), random_tensor({t, 1}, 4), random_tensor({s}, 5)};
    c.set_mask();
    const AttentionGradients found = run(c, random_dy(c, 2), want_all(c));
    for (const auto& [name, gradient] : named(found)) {
      if (!gradient.defined()) continue;
      for (const float x : gradient.contiguous().span<float>()) EXPECT_EQ(x, 0.0F) << name;
    }
  }
  AttentionCase none = plain_case(0, 2, 1, 3, 4, 4, 6);
  EXPECT_EQ(run(none, random_dy(none, 2), {}).dk.shape(), (Shape{0, 1, 4, 4}));
}

// ---- layout and errors ----

TEST_P(AttentionBackward, GradientsAreLaidOutByToken) {
  const AttentionCase c = plain_case(2, 4, 2, 5, 7, 8, 4);
  const AttentionGradients found = run(c, random_dy(c, 2), {});
  EXPECT_EQ(found.dq.shape(), c.q.shape());
  EXPECT_EQ(found.dv.shape(), c.v.shape());
  for (const Tensor& gradient : {found.dq, found.dk, found.dv}) {
    EXPECT_TRUE(gradient.transpose(1, 2).is_contiguous());
  }
}

std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return error.what();
  }
  return "no error";
}

TEST(AttentionBackwardErrors, SayWhatWasNeededAndFound) {
  const AttentionCase c = plain_case(2, 4, 2, 5, 6, 8, 3);
  const AttentionOutputs out = c.run({.lse = true});
  const Tensor dy = random_dy(c, 2);
  const auto backward = [&](const Tensor& y, const Tensor& lse, const Tensor& gradient,
                            const AttentionGradientWant& want) {
    return message_of([&] { attention_backward(c.q, c.k, c.v, {}, y, lse, gradient, want); });
  };
  EXPECT_EQ(backward(out.y, out.lse, random_tensor({2, 4, 5, 8}, 1), {}),
            "attention_backward: dy must be [B=2, H=4, T=5, E=3] but is [2, 4, 5, 8]; E is 3 in v");
  EXPECT_EQ(backward(out.y.to(DType::bf16), out.lse, dy, {}),
            "attention_backward: y must be f32 but is bf16");
  EXPECT_EQ(backward(out.y, out.lse.transpose(1, 2), dy, {}),
            "attention_backward: lse must be [B=2, H=4, T=5] but is [2, 5, 4]; H is 4 in q");
  EXPECT_EQ(backward(out.y, Tensor::full({1}, 0).expand({2, 4, 5}), dy, {}),
            "attention_backward: lse must be contiguous, as attention_outputs gives it");
  EXPECT_EQ(backward(out.y, out.lse, Tensor::full({1}, 1).expand({2, 4, 5, 3}), {}),
            "attention: the last dimension of dy must be contiguous but has stride 0; call "
            "contiguous()");
  EXPECT_EQ(backward(out.y, out.lse, dy, {.bias = true}),
            "attention_backward: dbias is wanted but the options have no additive mask");
  EXPECT_EQ(backward(out.y, out.lse, dy, {.alibi = true}),
            "attention_backward: dalibi is wanted but the options have no alibi");
  EXPECT_EQ(backward(out.y, out.lse, dy, {.t5_table = true}),
            "attention_backward: dt5_table is wanted but the options have no relative");
  EXPECT_EQ(backward(out.y, out.lse, dy, {.sinks = true}),
            "attention_backward: dsinks is wanted but the options have no sinks");
  const Tensor dq = random_tensor(c.q.shape(), 3);
  EXPECT_EQ(backward(out.y, out.lse, dy, {.places = {dq}}),
            "attention_backward: needed places for dq, dk and dv, all wanted, or none, found 1");
  EXPECT_EQ(backward(out.y, out.lse, dy, {.places = {dq, dq, dq}}),
            "attention_backward: dk must be [B=2, G=2, S=6, D=8] but is [2, 4, 5, 8]; G is 2 in k");
}

}  // namespace
}  // namespace heed::testing
