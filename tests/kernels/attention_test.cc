#include "heed/kernels/attention.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "heed/kernels/dispatch.h"

namespace heed::kernels {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr double kUnit = 5.9604644775390625e-8;  // u = 2^-24

struct Case {
  int64_t batch = 1, heads = 1, kv_heads = 1, queries = 1, keys = 1, head_dim = 16, value_dim = 16;
  bool strided = false;  // [B, T, H, D] with gaps, else [B, H, T, D]
  bool causal = false, lengths = false, visible = false, bias = false, row_bias = false;
  float spread = 1.0F;

  std::string name() const {
    std::string text = "B" + std::to_string(batch) + " H" + std::to_string(heads) + "/" +
                       std::to_string(kv_heads) + " T" + std::to_string(queries) + " S" +
                       std::to_string(keys) + " D" + std::to_string(head_dim) + " E" +
                       std::to_string(value_dim);
    for (const auto& [on, what] : {std::pair(strided, " strided"), std::pair(causal, " causal"),
                                   std::pair(lengths, " lengths"), std::pair(visible, " visible"),
                                   std::pair(bias, " bias"), std::pair(row_bias, " row_bias")}) {
      if (on) text += what;
    }
    return text;
  }
};

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
    problem_.q = fill(q_, c.heads, c.queries, c.head_dim);
    problem_.k = fill(k_, c.kv_heads, c.keys, c.head_dim);
    problem_.v = fill(v_, c.kv_heads, c.keys, c.value_dim);
    const auto y = fill(y_, c.heads, c.queries, c.value_dim);
    problem_.y = {const_cast<std::byte*>(y.data), y.batch, y.head, y.row};
    problem_.row_pitch = c.queries;
    problem_.key_pitch = c.keys;
    add_masks();
    const auto rows = static_cast<size_t>(c.batch * c.heads * c.queries);
    lse_.assign(rows, -1);
    weights_.assign(rows * static_cast<size_t>(c.keys), -1);
    scores_ = weights_;
  }

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
        for (int64_t t = 0; t < case_.queries; t += kAttentionQueries) {
          attention(problem_, b, h, t, std::min(kAttentionQueries, case_.queries - t),
                    scratch.get());
        }
      }
    }
  }

  const AttentionProblem& problem() const { return problem_; }
  const std::vector<float>& y() const { return y_; }
  const std::vector<float>& lse() const { return lse_; }
  const std::vector<float>& weights() const { return weights_; }
  const std::vector<float>& scores() const { return scores_; }

 private:
  AttentionRows<const std::byte> fill(std::vector<float>& data, int64_t heads, int64_t tokens,
                                      int64_t size) {
    const int64_t gap = case_.strided ? 3 : 0;
    const int64_t row = size + gap;
    data.resize(static_cast<size_t>(case_.batch * heads * tokens * row + 1));
    std::normal_distribution<float> normal(0, case_.spread);
    for (float& x : data) x = normal(random_);
    // Strided data start off any alignment too.
    const auto* first = reinterpret_cast<const std::byte*>(data.data() + (case_.strided ? 1 : 0));
    if (case_.strided) return {first, tokens * heads * row, row, heads * row};
    return {first, heads * tokens * row, tokens * row, row};
  }

  void add_masks() {
    const Case& c = case_;
    for (int64_t b = 0; b < c.batch; ++b) {
      offsets_.push_back(c.keys - c.queries - b);
      lengths_.push_back(std::max<int64_t>(0, c.keys - 5 * b - 1));
    }
    if (c.causal) {
      problem_.offsets = offsets_.data();
      problem_.right = 0;
    }
    if (c.lengths) problem_.lengths = lengths_.data();
    std::normal_distribution<float> normal;
    std::bernoulli_distribution often(0.7);
    bias_.resize(static_cast<size_t>(c.heads * c.queries * c.keys));
    for (float& x : bias_) x = often(random_) ? normal(random_) : -kInfinity;
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
    if (c.row_bias) masks_.push_back({.bias = bias_.data() + bias_.size() / 2, .key = 1});
    if (c.visible) {
      masks_.push_back(
          {.visible = visible_.get(), .batch = c.queries * c.keys, .query = c.keys, .key = 1});
    }
    problem_.masks = masks_;
  }

  Case case_;
  std::mt19937 random_;
  std::vector<float> q_, k_, v_, y_, bias_, lse_, weights_, scores_;
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

Bounds bounds(const AttentionProblem& p, int64_t b, int64_t h, int64_t t) {
  Bounds bound;
  const KeyRange keys = visible_keys(p, b, t);
  for (int64_t s = keys.begin; s < keys.end; ++s) {
    double size = 0;
    for (int64_t d = 0; d < p.head_dim; ++d) {
      size += std::abs(static_cast<double>(p.q.value(b, h, t, d)) *
                       static_cast<double>(p.k.value(b, p.kv_head(h), s, d)));
    }
    size *= static_cast<double>(p.scale);
    double bias = 0;
    for (const AttentionMask& mask : p.masks) {
      if (mask.bias == nullptr) continue;
      const double x = static_cast<double>(mask.bias[mask.offset(b, h, t, s)]);
      if (std::isfinite(x)) bias += std::abs(x);
    }
    const double steps = 4 * std::sqrt(static_cast<double>(p.head_dim) + 2);
    bound.score = std::max(bound.score, kUnit * (steps * size + 2 * (size + bias)));
    for (int64_t e = 0; e < p.value_dim; ++e) {
      bound.magnitude = std::max(bound.magnitude,
                                 std::abs(static_cast<double>(p.v.value(b, p.kv_head(h), s, e))));
    }
  }
  const double chain = 4 * std::sqrt(static_cast<double>(keys.end - keys.begin));
  // Twice the score's error (numerator and maximum); two chains over keys; exp and divisions.
  bound.relative = 2 * bound.score + kUnit * (2 * chain + 8);
  return bound;
}

void expect_near(float fast, float law, double tolerance, const char* what, const Case& c,
                 int64_t row) {
  if (fast == law) return;  // infinities too
  EXPECT_NEAR(fast, law, tolerance) << what << " of row " << row << ", " << c.name();
}

void expect_law(const Case& c) {
  pin_isa(Isa::reference);
  Run law(c);
  law.attend(true);
  for (const Isa isa : available_isas()) {
    if (isa == Isa::reference) continue;
    SCOPED_TRACE(std::string(to_string(isa)));
    pin_isa(isa);
    Run fast(c);
    fast.attend(true);
    Run plain(c);
    plain.attend(false);
    EXPECT_TRUE(plain.y() == fast.y()) << c.name();
    const AttentionProblem& p = fast.problem();
    for (int64_t row = 0; row < c.batch * c.heads * c.queries; ++row) {
      const int64_t t = row % c.queries;
      const int64_t h = row / c.queries % c.heads;
      const int64_t b = row / c.queries / c.heads;
      const Bounds bound = bounds(p, b, h, t);
      const double near = bound.relative * bound.magnitude + 1e-36;
      for (int64_t e = 0; e < c.value_dim; ++e) {
        expect_near(p.y.value(b, h, t, e), law.problem().y.value(b, h, t, e), near, "y", c, row);
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
    if (testing::Test::HasFailure()) break;
  }
  pin_isa(available_isas().back());
}

TEST(AttentionLaw, EveryHeadAndValueSize) {
  constexpr std::array<int64_t, 9> kSizes{1, 5, 16, 31, 64, 80, 128, 160, 256};
  for (size_t d = 0; d < kSizes.size(); ++d) {
    for (const size_t shift : {0, 1, 4}) {
      const int64_t e = kSizes[(d + shift) % kSizes.size()];
      expect_law({.queries = 33, .keys = 40, .head_dim = kSizes[d], .value_dim = e});
    }
  }
}

TEST(AttentionLaw, EveryLength) {
  for (const int64_t t : {0, 1, 2, 7, 15, 16, 17, 31, 32, 33, 100, 129, 193}) {
    for (const int64_t s : {0, 1, 2, 7, 31, 32, 33, 100, 128, 129, 193}) {
      expect_law({.queries = t, .keys = s, .head_dim = 8, .value_dim = 12});
      expect_law({.queries = t, .keys = s, .head_dim = 8, .value_dim = 12, .causal = true});
    }
  }
}

TEST(AttentionLaw, EveryCombinationOfMasksStridesAndGroups) {
  for (int bits = 0; bits < 64; ++bits) {
    expect_law({.batch = 2,
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
}

TEST(AttentionLaw, LongRowsAndWideSpreads) {
  expect_law({.queries = 3, .keys = 2000, .head_dim = 64, .value_dim = 64});
  for (const float spread : {1e-3F, 3.0F, 10.0F}) {
    expect_law({.queries = 20, .keys = 300, .head_dim = 64, .value_dim = 8, .spread = spread});
  }
}

}  // namespace
}  // namespace heed::kernels
