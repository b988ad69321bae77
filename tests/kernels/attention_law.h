#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "heed/kernels/attention.h"
#include "heed/kernels/cpu/attention_pairs.h"
#include "heed/kernels/dispatch.h"
#include "tests/kernels/every_isa.h"

// One attention problem of raw arrays, and the check that every instruction set computes what the
// reference does.

namespace heed::kernels {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr double kUnit = 5.9604644775390625e-8;  // u = 2^-24

struct Case {
  int64_t batch = 1, heads = 1, kv_heads = 1, queries = 1, keys = 1, head_dim = 16, value_dim = 16;
  bool strided = false;  // [B, T, H, D] with gaps, else [B, H, T, D]
  bool causal = false, lengths = false, visible = false, bias = false, row_bias = false;
  float spread = 1.0F;
  int64_t left = AttentionProblem::kOpen, right = AttentionProblem::kOpen;
  float softcap = 0;
  bool distance = false, sinks = false;
  float dropout = 0;
  Element queries_as = Element::f32;  // q and y
  Element keys_as = Element::f32;     // k and v
  int64_t page_tokens = 0;            // 0: contiguous

  bool windowed() const {
    return left != AttentionProblem::kOpen || right != AttentionProblem::kOpen;
  }

  std::string name() const {
    const auto number = [](auto x) { return std::to_string(x); };
    std::string text = "B" + number(batch) + " H" + number(heads) + "/" + number(kv_heads) + " T" +
                       number(queries) + " S" + number(keys) + " D" + number(head_dim) + " E" +
                       number(value_dim);
    for (const auto& [on, what] : {std::pair(strided, " strided"), std::pair(causal, " causal"),
                                   std::pair(lengths, " lengths"), std::pair(visible, " visible"),
                                   std::pair(bias, " bias"), std::pair(row_bias, " row_bias"),
                                   std::pair(distance, " distance"), std::pair(sinks, " sinks")}) {
      if (on) text += what;
    }
    if (windowed()) text += " window " + number(left) + "," + number(right);
    if (softcap != 0) text += " softcap " + number(softcap);
    if (dropout != 0) text += " dropout " + number(dropout);
    if (page_tokens != 0) text += " pages of " + number(page_tokens);
    const char* const elements[] = {"f32", "bf16", "f16"};
    text += std::string(" q ") + elements[static_cast<int>(queries_as)];
    return text + " k " + elements[static_cast<int>(keys_as)];
  }
};

/// Every combination of masks, strides and groups, on a problem of several tiles.
inline std::vector<Case> mask_combinations() {
  std::vector<Case> cases;
  for (int bits = 0; bits < 64; ++bits) {
    cases.push_back({.batch = 2,
                     .heads = 6,
                     .kv_heads = bits % 2 == 0 ? 6 : 2,
                     .queries = 41,
                     .keys = 150,
                     .head_dim = 20,
                     .value_dim = 24,
                     .strided = (bits & 1) != 0,
                     .causal = (bits & 2) != 0,
                     .lengths = (bits & 4) != 0,
                     .visible = (bits & 8) != 0,
                     .bias = (bits & 16) != 0,
                     .row_bias = (bits & 32) != 0});
  }
  return cases;
}

template <class T>
struct Free {
  void operator()(T* p) const { std::free(p); }  // NOLINT(cppcoreguidelines-no-malloc)
};

/// The data of a case and the outputs of one run over it.
class Run {
 public:
  explicit Run(const Case& c) : case_(c), random_(static_cast<unsigned>(c.queries * 31 + c.keys)) {
    problem_.heads = c.heads;
    problem_.kv_heads = c.kv_heads;
    problem_.queries = c.queries;
    problem_.keys = c.keys;
    problem_.head_dim = c.head_dim;
    problem_.value_dim = c.value_dim;
    problem_.scale = 1.0F / std::sqrt(static_cast<float>(std::max<int64_t>(c.head_dim, 1)));
    problem_.softcap = c.softcap;
    problem_.dropout = {c.dropout, 0x123456789ABCDEFU};
    problem_.q = fill(q_, c.queries_as, c.batch, c.heads, c.queries, c.head_dim);
    const int64_t tokens = c.page_tokens == 0 ? c.keys : c.page_tokens;
    const int64_t rows = c.page_tokens == 0 ? c.batch : pages();
    problem_.k = fill(k_, c.keys_as, rows, c.kv_heads, tokens, c.head_dim);
    problem_.v = fill(v_, c.keys_as, rows, c.kv_heads, tokens, c.value_dim);
    const auto y = fill(y_, c.queries_as, c.batch, c.heads, c.queries, c.value_dim);
    problem_.y = {const_cast<std::byte*>(y.data), y.batch, y.head, y.row, y.element};
    problem_.row_pitch = c.queries;
    problem_.key_pitch = c.keys;
    if (c.page_tokens != 0) add_page_table();
    add_positions();
    add_masks();
    if (c.distance) add_distance();
    if (c.sinks) {
      for (int64_t h = 0; h < c.heads; ++h) sinks_.push_back(normal());
      problem_.sinks = sinks_.data();
    }
    const auto rows_out = static_cast<size_t>(c.batch * c.heads * c.queries);
    lse_.assign(rows_out, -1);
    weights_.assign(rows_out * static_cast<size_t>(c.keys), -1);
    scores_ = weights_;
  }
  Run(const Run&) = delete;  // the problem points into the object
  Run& operator=(const Run&) = delete;

  void attend(bool wanting) {
    problem_.lse = wanting ? lse_.data() : nullptr;
    problem_.weights = wanting ? weights_.data() : nullptr;
    problem_.scores = wanting ? scores_.data() : nullptr;
    const auto bytes = static_cast<size_t>(
        (attention_scratch_bytes(case_.head_dim, case_.value_dim) + 63) / 64 * 64);
    const std::unique_ptr<std::byte, Free<std::byte>> scratch(
        static_cast<std::byte*>(std::aligned_alloc(64, bytes)));
    for (int64_t b = 0; b < case_.batch; ++b) {
      for (int64_t h = 0; h < case_.heads; ++h) {
        const int64_t most = attention_queries(problem_);
        for (int64_t t = 0; t < case_.queries; t += most) {
          attention(problem_, b, h, t, std::min(most, case_.queries - t), scratch.get());
        }
      }
    }
  }

  const AttentionProblem& problem() const { return problem_; }
  const std::vector<std::byte>& y() const { return y_; }
  const std::vector<float>& lse() const { return lse_; }
  const std::vector<float>& weights() const { return weights_; }
  const std::vector<float>& scores() const { return scores_; }

 private:
  float normal() { return std::normal_distribution<float>()(random_); }

  int64_t pages_of_a_row() const {
    return (case_.keys + case_.page_tokens - 1) / case_.page_tokens;
  }
  int64_t pages() const { return case_.batch * pages_of_a_row() + 2; }  // two that nobody uses

  AttentionRows<const std::byte> fill(std::vector<std::byte>& data, Element element, int64_t batch,
                                      int64_t heads, int64_t tokens, int64_t size) {
    const int64_t gap = case_.strided ? 3 : 0;
    const int64_t row = size + gap;
    const int64_t bytes = size_of(element);
    data.resize(static_cast<size_t>((batch * heads * tokens * row + 1) * bytes));
    std::normal_distribution<float> values(0, case_.spread);
    for (size_t at = 0; at < data.size(); at += static_cast<size_t>(bytes)) {
      store_element(element, values(random_), data.data() + at);
    }
    // Strided data start off any alignment too.
    const std::byte* first = data.data() + (case_.strided ? bytes : 0);
    if (case_.strided) return {first, tokens * heads * row, row, heads * row, element};
    return {first, heads * tokens * row, tokens * row, row, element};
  }

  void add_page_table() {
    for (int64_t i = 0; i < case_.batch * pages_of_a_row(); ++i) {
      table_.push_back(static_cast<int32_t>(i));
    }
    std::shuffle(table_.begin(), table_.end(), random_);
    problem_.pages = {table_.data(), pages_of_a_row(), case_.page_tokens};
  }

  void add_positions() {
    const Case& c = case_;
    for (int64_t b = 0; b < c.batch; ++b) {
      offsets_.push_back(c.keys - c.queries - b);
      lengths_.push_back(std::max<int64_t>(0, c.keys - 5 * b - 1));
    }
    if (c.causal || c.windowed() || c.distance) problem_.offsets = offsets_.data();
    problem_.left = c.left;
    problem_.right = c.causal ? 0 : c.right;
    if (c.lengths) problem_.lengths = lengths_.data();
  }

  void add_masks() {
    const Case& c = case_;
    std::bernoulli_distribution often(0.7);
    const int64_t pairs = c.heads * c.queries * c.keys;
    bias_.resize(static_cast<size_t>(pairs + c.keys));  // and one row for all queries
    for (float& x : bias_) x = often(random_) ? normal() : -kInfinity;
    // One row hidden altogether.
    for (int64_t s = 0; s < c.keys && c.queries > 0; ++s)
      bias_[static_cast<size_t>(s)] = -kInfinity;
    visible_ = std::make_unique<bool[]>(static_cast<size_t>(c.batch * c.queries * c.keys));
    for (int64_t i = 0; i < c.batch * c.queries * c.keys; ++i) {
      visible_[static_cast<size_t>(i)] = often(random_);
    }
    if (c.bias) {
      masks_.push_back(
          {.bias = bias_.data(), .head = c.queries * c.keys, .query = c.keys, .key = 1});
    }
    if (c.row_bias) masks_.push_back({.bias = bias_.data() + pairs, .key = 1});
    if (c.visible) {
      masks_.push_back(
          {.visible = visible_.get(), .batch = c.queries * c.keys, .query = c.keys, .key = 1});
    }
    problem_.masks = masks_;
  }

  void add_distance() {
    const int64_t first = std::min<int64_t>(0, problem_.position(case_.batch - 1, 0)) - case_.keys;
    const int64_t last = std::max<int64_t>(0, problem_.position(0, case_.queries));
    const int64_t pitch = last - first + 1 + DistanceBias::kSlack;
    for (int64_t i = 0; i < case_.heads * pitch; ++i) distance_.push_back(normal());
    problem_.distance = {distance_.data(), pitch, first};
  }

  Case case_;
  std::mt19937 random_;
  std::vector<std::byte> q_, k_, v_, y_;
  std::vector<float> bias_, distance_, sinks_, lse_, weights_, scores_;
  std::vector<int32_t> table_;
  std::vector<int64_t> offsets_, lengths_;
  std::unique_ptr<bool[]> visible_;
  std::vector<AttentionMask> masks_;
  AttentionProblem problem_;
};

// How far f32 may be from the law (docs/math/attention.md, "Numerics"): a chain of n roundings is
// within 4 sqrt(n) u of exact unless luck is 1 in 10^4 against it (Higham and Mary, 2019).
struct Bounds {
  double score = 0;      // absolute
  double relative = 0;   // of a weight
  double magnitude = 0;  // sum of p |v|, at most
};

/// Error of one score, and in *size how large it and what is added to it can be.
inline double score_bound(const AttentionProblem& p, int64_t b, int64_t h, int64_t t, int64_t s,
                          double* size) {
  const std::byte* key = p.key_at(p.k, b, p.kv_head(h), s);
  double product = 0;
  for (int64_t d = 0; d < p.head_dim; ++d) {
    product +=
        std::abs(static_cast<double>(p.q.value(b, h, t, d)) *
                 static_cast<double>(load_element(p.k.element, key + d * size_of(p.k.element))));
  }
  product *= static_cast<double>(p.scale);
  double error = (4 * std::sqrt(static_cast<double>(p.head_dim) + 2) + 2) * product;
  // The cap's slope is at most 1; its argument has one rounding more, and tanh has 4 ulp.
  if (p.softcap != 0) error += 8 * product;
  double bias = 0;
  double terms = 2;
  for (const AttentionMask& mask : p.masks) {
    if (mask.bias == nullptr) continue;
    const double x = static_cast<double>(mask.bias[mask.offset(b, h, t, s)]);
    if (std::isfinite(x)) bias += std::abs(x);
    ++terms;
  }
  if (p.distance.data != nullptr) {
    bias += std::abs(static_cast<double>(p.distance.at(h, p.position(b, t) - s)));
    ++terms;
  }
  *size = product + bias;
  return kUnit * (error + terms * bias);
}

inline Bounds bounds(const AttentionProblem& p, int64_t b, int64_t h, int64_t t) {
  Bounds bound;
  const KeyRange keys = visible_keys(p, b, t);
  double size = 0;
  for (int64_t s = keys.begin; s < keys.end; ++s) {
    double score = 0;
    bound.score = std::max(bound.score, score_bound(p, b, h, t, s, &score));
    size = std::max(size, score);
    const std::byte* v = p.key_at(p.v, b, p.kv_head(h), s);
    for (int64_t e = 0; e < p.value_dim; ++e) {
      bound.magnitude = std::max(
          bound.magnitude,
          std::abs(static_cast<double>(load_element(p.v.element, v + e * size_of(p.v.element)))));
    }
  }
  if (p.dropout.on()) bound.magnitude *= static_cast<double>(p.dropout.factor());
  const double chain = 4 * std::sqrt(static_cast<double>(keys.end - keys.begin));
  // Twice the score's error (numerator and maximum); two chains over keys; exp and divisions; the
  // sink's distance from the maximum is rounded once.
  bound.relative = 2 * bound.score + kUnit * (2 * chain + 8);
  if (p.sinks != nullptr) {
    bound.relative += kUnit * (size + std::abs(static_cast<double>(p.sinks[h])) + 4);
  }
  return bound;
}

/// The larger of the roundings of two neighbours near x, which both may have been rounded to.
inline double storage_bound(Element element, double x) {
  if (element == Element::f32) return 0;
  return element == Element::bf16 ? std::ldexp(std::abs(x), -7)
                                  : std::ldexp(std::abs(x), -10) + 0x1p-24;
}

inline void expect_near(float fast, float law, double tolerance, const char* what, const Case& c,
                        int64_t row) {
  if (fast == law) return;  // infinities too
  EXPECT_NEAR(fast, law, tolerance) << what << " of row " << row << ", " << c.name();
}

inline void expect_row(const Case& c, const Run& fast, const Run& law, int64_t row) {
  const AttentionProblem& p = fast.problem();
  const int64_t t = row % c.queries;
  const int64_t h = row / c.queries % c.heads;
  const int64_t b = row / c.queries / c.heads;
  const Bounds bound = bounds(p, b, h, t);
  // The kernels that multiply pairs round weights to bf16.
  const double rounding = pairs_serve(p) ? 0x1p-8 : 0;
  for (int64_t e = 0; e < c.value_dim; ++e) {
    const float y = law.problem().y.value(b, h, t, e);
    const double near = (bound.relative + rounding) * bound.magnitude + 1e-36;
    expect_near(p.y.value(b, h, t, e), y,
                near + storage_bound(p.y.element, std::abs(static_cast<double>(y)) + near), "y", c,
                row);
  }
  const auto at = static_cast<size_t>(row);
  const float lse = law.lse()[at];
  expect_near(fast.lse()[at], lse, bound.relative + kUnit * std::abs(static_cast<double>(lse)),
              "lse", c, row);
  for (size_t s = 0; s < static_cast<size_t>(c.keys); ++s) {
    const size_t i = at * static_cast<size_t>(c.keys) + s;
    expect_near(fast.scores()[i], law.scores()[i], bound.score, "score", c, row);
    const float weight = law.weights()[i];
    expect_near(fast.weights()[i], weight, bound.relative * static_cast<double>(weight) + 1e-37,
                "weight", c, row);
  }
}

inline void expect_law(const Case& c) {
  const Isa before = active_isa();
  pin_isa(Isa::reference);
  Run law(c);
  law.attend(true);
  for (const Isa isa : tested_isas()) {
    if (isa == Isa::reference) continue;
    const bool pairs = c.queries_as == Element::bf16 && c.keys_as == Element::bf16;
    if (multiplies_pairs(isa) && !pairs) continue;  // all else is avx512's
    const ::testing::ScopedTrace trace(__FILE__, __LINE__, std::string(to_string(isa)));
    pin_isa(isa);
    Run fast(c);
    fast.attend(true);
    Run plain(c);
    plain.attend(false);
    EXPECT_TRUE(plain.y() == fast.y()) << c.name();
    for (int64_t row = 0; row < c.batch * c.heads * c.queries; ++row) {
      expect_row(c, fast, law, row);
    }
    if (::testing::Test::HasFailure()) break;
  }
  pin_isa(before);
}

}  // namespace heed::kernels
