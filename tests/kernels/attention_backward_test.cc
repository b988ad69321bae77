#include "heed/kernels/attention_backward.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <random>
#include <vector>

#include "tests/kernels/attention_law.h"

// Every instruction set's backward against the reference.

namespace heed::kernels {
namespace {

/// One thread takes the blocks in order: nobody waits.
class NoTurns final : public AttentionTurns {
 public:
  void take(int64_t, int64_t, KeyRange) override {}
  void pass(int64_t, int64_t, KeyRange) override {}
};

/// Gradients of a forward run that has attended.
class BackwardRun {
 public:
  BackwardRun(const Case& c, const Run& run) : case_(c), problem_(run.problem()) {
    const AttentionRows<std::byte>& y = problem_.y;
    dy_.resize(run.y().size());
    std::mt19937 random(7);
    std::normal_distribution<float> normal;
    for (size_t at = 0; at < dy_.size(); at += static_cast<size_t>(size_of(y.element))) {
      store_element(y.element, normal(random), dy_.data() + at);
    }
    const auto rows = static_cast<size_t>(c.batch * c.heads * c.queries);
    const auto keys = static_cast<size_t>(c.batch * c.kv_heads * c.keys);
    delta_.resize(rows);
    dq_.resize(rows * static_cast<size_t>(c.head_dim) * sizeof(float));
    dk_.resize(keys * static_cast<size_t>(c.head_dim * size_of(c.keys_as)));
    dv_.resize(keys * static_cast<size_t>(c.value_dim * size_of(c.keys_as)));
    row_sums_.resize(rows);
    key_sums_.resize(static_cast<size_t>(c.batch * c.heads * c.keys));
    diagonals_.resize(
        static_cast<size_t>(c.batch * c.heads * std::max<int64_t>(c.queries + c.keys - 1, 0)));
    sums_.resize(static_cast<size_t>(c.heads * c.queries * c.keys));
    pairs_.push_back({sums_.data(), 0, c.queries * c.keys, c.keys});
    to_.y = {y.data, y.batch, y.head, y.row, y.element};
    to_.dy = to_.y;
    to_.dy.data = dy_.data() + (y.data - run.y().data());
    to_.lse = run.lse().data();
    to_.delta = delta_.data();
    to_.dq = rows_of(dq_.data(), c.heads, c.queries, c.head_dim, Element::f32);
    to_.dk = rows_of(dk_.data(), c.kv_heads, c.keys, c.head_dim, c.keys_as);
    to_.dv = rows_of(dv_.data(), c.kv_heads, c.keys, c.value_dim, c.keys_as);
  }
  BackwardRun(const BackwardRun&) = delete;  // to_ points into the object
  BackwardRun& operator=(const BackwardRun&) = delete;

  /// sums: those of dscore too.
  void differentiate(int64_t block, bool sums) {
    if (sums) {
      to_.pairs = pairs_;
      to_.row_sums = row_sums_.data();
      to_.key_sums = key_sums_.data();
      to_.diagonals = diagonals_.data();
      to_.diagonal_pitch = case_.queries + case_.keys - 1;
    }
    const auto bytes =
        static_cast<size_t>((attention_backward_scratch_bytes(problem_) + 63) / 64 * 64);
    const std::unique_ptr<std::byte, Free<std::byte>> scratch(
        static_cast<std::byte*>(std::aligned_alloc(64, bytes)));
    NoTurns turns;
    for (int64_t b = 0; b < case_.batch; ++b) {
      for (int64_t h = 0; h < case_.heads; ++h) {
        attention_deltas(problem_, to_, b, h, 0, case_.queries);
      }
      for (int64_t g = 0; g < case_.kv_heads; ++g) {
        for (int64_t s = 0; s < case_.keys; s += block) {
          attention_backward(problem_, to_, b, g, {s, std::min(s + block, case_.keys)}, turns,
                             scratch.get());
        }
      }
    }
  }

  const AttentionProblem& problem() const { return problem_; }
  const AttentionGradients& gradients() const { return to_; }
  const std::vector<std::byte>& dq() const { return dq_; }
  const std::vector<std::byte>& dk() const { return dk_; }
  const std::vector<std::byte>& dv() const { return dv_; }
  const std::vector<float>& row_sums() const { return row_sums_; }
  const std::vector<float>& key_sums() const { return key_sums_; }
  const std::vector<float>& diagonals() const { return diagonals_; }
  const std::vector<float>& sums() const { return sums_; }

 private:
  static AttentionRows<std::byte> rows_of(std::byte* data, int64_t heads, int64_t tokens,
                                          int64_t size, Element element) {
    return {data, heads * tokens * size, tokens * size, size, element};
  }

  Case case_;
  AttentionProblem problem_;
  AttentionGradients to_;
  std::vector<std::byte> dy_, dq_, dk_, dv_;
  std::vector<float> delta_, row_sums_, key_sums_, diagonals_, sums_;
  std::vector<AttentionPairs> pairs_;
};

/// How far each gradient may be from the law (docs/math/attention.md, "Numerics of backward").
class Tolerances {
 public:
  Tolerances(const Case& c, const BackwardRun& run) : run_(run) {
    const auto rows = static_cast<size_t>(c.batch * c.heads * c.queries);
    const auto keys = static_cast<size_t>(c.batch * c.kv_heads * c.keys);
    dq.resize(rows * static_cast<size_t>(c.head_dim));
    dk.resize(keys * static_cast<size_t>(c.head_dim));
    dv.resize(keys * static_cast<size_t>(c.value_dim));
    row_sums.resize(rows);
    key_sums.resize(static_cast<size_t>(c.batch * c.heads * c.keys));
    diagonals.resize(run.diagonals().size());
    sums.resize(run.sums().size());
    for (int64_t b = 0; b < c.batch; ++b) {
      for (int64_t h = 0; h < c.heads; ++h) {
        for (int64_t t = 0; t < c.queries; ++t) add_row(b, h, t);
      }
    }
  }

  std::vector<double> dq, dk, dv, row_sums, key_sums, diagonals, sums;

 private:
  double key_value(const AttentionRows<const std::byte>& rows, int64_t b, int64_t g, int64_t s,
                   int64_t i) const {
    return std::abs(static_cast<double>(rows.value(b, g, s, i)));
  }

  void add_row(int64_t b, int64_t h, int64_t t) {
    const AttentionProblem& p = run_.problem();
    const AttentionGradients& to = run_.gradients();
    const int64_t row = p.row(b, h, t);
    if (to.lse[row] == -kInfinity) return;
    double delta = 0;
    for (int64_t e = 0; e < p.value_dim; ++e) {
      delta += std::abs(static_cast<double>(to.dy.value(b, h, t, e)) *
                        static_cast<double>(to.y.value(b, h, t, e)));
    }
    // Of a weight; dp and delta are chains over E, sums chains over keys or queries. The slope of
    // softcap moves with the score.
    const double bend = p.softcap == 0 ? 0 : 1 / static_cast<double>(p.softcap);
    const auto root = [](int64_t n) { return 4 * std::sqrt(static_cast<double>(n)); };
    const double relative = bounds(p, b, h, t).relative * (1 + bend) +
                            kUnit * (2 * root(p.value_dim) + root(p.keys) +
                                     root(p.queries * p.heads / p.kv_heads) + 16);
    const KeyRange seen = visible_keys(p, b, t);
    for (int64_t s = seen.begin; s < seen.end; ++s) add_pair(b, h, t, s, delta, relative);
  }

  void add_pair(int64_t b, int64_t h, int64_t t, int64_t s, double delta, double relative) {
    const AttentionProblem& p = run_.problem();
    const AttentionGradients& to = run_.gradients();
    const int64_t g = p.kv_head(h), row = p.row(b, h, t);
    const int64_t key = (b * p.kv_heads + g) * p.keys + s;
    const double weight =
        std::exp(ref::attention_score(p, b, h, t, s) - static_cast<double>(to.lse[row]));
    const double kept = p.dropout.on()
                            ? static_cast<double>(dropout_factor(p.dropout, b * p.heads + h, t, s))
                            : 1.0;
    double dp = 0;
    for (int64_t e = 0; e < p.value_dim; ++e) {
      const double dy = std::abs(static_cast<double>(to.dy.value(b, h, t, e)));
      dp += kept * dy * key_value(p.v, b, g, s, e);
      dv[at(key, p.value_dim, e)] += kept * weight * dy * relative;
    }
    const double error = weight * (dp + delta) * relative;
    for (int64_t d = 0; d < p.head_dim; ++d) {
      const double scaled = static_cast<double>(p.scale) * error;
      dq[at(row, p.head_dim, d)] += scaled * key_value(p.k, b, g, s, d);
      dk[at(key, p.head_dim, d)] += scaled * key_value(p.q, b, h, t, d);
    }
    row_sums[static_cast<size_t>(row)] += error;
    key_sums[at(b * p.heads + h, p.keys, s)] += error;
    diagonals[at(b * p.heads + h, p.queries + p.keys - 1, s - t + p.queries - 1)] += error;
    sums[at(h * p.queries + t, p.keys, s)] += error;
  }

  static size_t at(int64_t row, int64_t pitch, int64_t i) {
    return static_cast<size_t>(row * pitch + i);
  }

  const BackwardRun& run_;
};

void expect_near_all(const std::vector<std::byte>& fast, const std::vector<std::byte>& law,
                     Element element, const std::vector<double>& tolerances, const char* what,
                     const Case& c) {
  for (size_t i = 0; i < tolerances.size(); ++i) {
    const size_t at = i * static_cast<size_t>(size_of(element));
    const float value = load_element(element, law.data() + at);
    const double near = tolerances[i] + 1e-36;
    expect_near(load_element(element, fast.data() + at), value,
                near + storage_bound(element, std::abs(static_cast<double>(value)) + near), what, c,
                static_cast<int64_t>(i));
  }
}

void expect_near_all(const std::vector<float>& fast, const std::vector<float>& law,
                     const std::vector<double>& tolerances, const char* what, const Case& c) {
  for (size_t i = 0; i < tolerances.size(); ++i) {
    expect_near(fast[i], law[i], tolerances[i] + 1e-36, what, c, static_cast<int64_t>(i));
  }
}

void expect_backward_law(const Case& c, int64_t block = kBackwardKeys) {
  const Isa before = active_isa();
  pin_isa(Isa::reference);
  Run forward(c);
  forward.attend(true);
  BackwardRun law(c, forward);
  law.differentiate(block, true);
  const Tolerances tolerances(c, law);
  for (const Isa isa : available_isas()) {
    if (isa == Isa::reference) continue;
    const ::testing::ScopedTrace trace(__FILE__, __LINE__, std::string(to_string(isa)));
    pin_isa(isa);
    BackwardRun fast(c, forward), plain(c, forward);
    fast.differentiate(block, true);
    plain.differentiate(block / 2, false);  // nor do bits depend on how keys are cut
    EXPECT_TRUE(fast.dq() == plain.dq()) << c.name();
    EXPECT_TRUE(fast.dk() == plain.dk()) << c.name();
    EXPECT_TRUE(fast.dv() == plain.dv()) << c.name();
    expect_near_all(fast.dq(), law.dq(), Element::f32, tolerances.dq, "dq", c);
    expect_near_all(fast.dk(), law.dk(), c.keys_as, tolerances.dk, "dk", c);
    expect_near_all(fast.dv(), law.dv(), c.keys_as, tolerances.dv, "dv", c);
    expect_near_all(fast.row_sums(), law.row_sums(), tolerances.row_sums, "row sum", c);
    expect_near_all(fast.key_sums(), law.key_sums(), tolerances.key_sums, "key sum", c);
    expect_near_all(fast.diagonals(), law.diagonals(), tolerances.diagonals, "diagonal", c);
    expect_near_all(fast.sums(), law.sums(), tolerances.sums, "pair", c);
    if (::testing::Test::HasFailure()) break;
  }
  pin_isa(before);
}

TEST(AttentionBackwardLaw, EveryHeadAndValueSize) {
  constexpr std::array<int64_t, 9> kSizes{1, 5, 16, 31, 64, 80, 128, 160, 256};
  for (size_t d = 0; d < kSizes.size(); ++d) {
    for (const size_t shift : {0, 1, 4}) {
      const int64_t e = kSizes[(d + shift) % kSizes.size()];
      expect_backward_law({.queries = 33, .keys = 40, .head_dim = kSizes[d], .value_dim = e});
    }
  }
}

TEST(AttentionBackwardLaw, EveryLength) {
  for (const int64_t t : {0, 1, 2, 7, 15, 16, 17, 31, 33, 100, 128, 129, 193}) {
    for (const int64_t s : {1, 2, 7, 15, 17, 31, 32, 33, 100, 128, 129, 193}) {
      expect_backward_law({.queries = t, .keys = s, .head_dim = 8, .value_dim = 12});
      expect_backward_law({.queries = t, .keys = s, .head_dim = 8, .value_dim = 12, .causal = true},
                          64);
    }
  }
}

TEST(AttentionBackwardLaw, EveryCombinationOfMasksStridesAndGroups) {
  for (const Case& c : mask_combinations()) expect_backward_law(c);
}

TEST(AttentionBackwardLaw, EveryOption) {
  const Case base{.batch = 2, .heads = 2, .queries = 140, .keys = 70, .head_dim = 16};
  const auto with = [&](auto change) {
    Case c = base;
    change(c);
    expect_backward_law(c);
    c.causal = true;
    c.queries = 37;
    c.keys = 135;
    expect_backward_law(c, 64);
  };
  with([](Case& c) { c.softcap = 0.5F; });
  with([](Case& c) { c.softcap = 20.0F; });
  with([](Case& c) { c.distance = true; });
  with([](Case& c) { c.sinks = true; });
  with([](Case& c) { c.dropout = 0.3F; });
  with([](Case& c) { c.left = 3; });
  with([](Case& c) { c.left = 40, c.right = 17; });
  with([](Case& c) { c.queries_as = Element::bf16; });
  with([](Case& c) { c.keys_as = Element::bf16; });
  with([](Case& c) { c.queries_as = c.keys_as = Element::f16; });
  with([](Case& c) {
    c.softcap = 5.0F, c.dropout = 0.5F, c.left = 60;
    c.distance = c.sinks = c.visible = c.bias = c.lengths = true;
  });
}

TEST(AttentionBackwardLaw, WideSpreads) {
  for (const float spread : {1e-3F, 3.0F, 10.0F}) {
    expect_backward_law(
        {.queries = 20, .keys = 300, .head_dim = 64, .value_dim = 8, .spread = spread});
  }
}

TEST(AttentionBackwardLaw, AThreadsScratchIsWithinTwoMegabytes) {
  on_every_isa([](Isa isa) {
    if (isa == Isa::reference) return;  // whose sums are f64
    const AttentionProblem long_one{.queries = 131072, .head_dim = 256, .value_dim = 256};
    EXPECT_LE(attention_backward_scratch_bytes(long_one), 2 << 20) << to_string(isa);
  });
}

}  // namespace
}  // namespace heed::kernels
