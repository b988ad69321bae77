#include "tests/ops/attention_gradient_cases.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace heed::testing {
namespace {

constexpr double kUnit = 0x1p-24;

double storage_unit(DType dtype) {
  return dtype == DType::bf16 ? 0x1p-9 : dtype == DType::f16 ? 0x1p-12 : 0;
}

/// Sums of one gradient: the values, and the sizes of what was added up.
template <class Real>
struct Sums {
  std::vector<Real> values;
  std::vector<double> sizes;
  void add(int64_t i, Real value, double size) {
    values[static_cast<size_t>(i)] += value;
    sizes[static_cast<size_t>(i)] += size;
  }
};

/// Index of [b, h, t, s] in a contiguous tensor of this shape that broadcasts there.
int64_t broadcast_index(const Shape& shape, const int64_t (&at)[4]) {
  int64_t index = 0;
  for (int i = 0; i < shape.rank(); ++i) {
    index = index * shape[i] + (shape[i] == 1 ? 0 : at[4 - shape.rank() + i]);
  }
  return index;
}

/// Attention and its gradients with matrices, every number a Real; with rounding, numbers that a
/// computation in q's dtype would store are rounded to it.
template <class Real>
class Plain {
 public:
  Plain(const AttentionCase& c, const Tensor& dy, bool rounding)
      : c_(c),
        q_(c.q.to(DType::f32).contiguous()),
        k_(c.k.to(DType::f32).contiguous()),
        v_(c.v.to(DType::f32).contiguous()),
        dy_(dy.to(DType::f32).contiguous()),
        rounding_(rounding) {
    const auto make = [](int64_t n) {
      return Sums<Real>{std::vector<Real>(static_cast<size_t>(n)),
                        std::vector<double>(static_cast<size_t>(n))};
    };
    sums_["dq"] = make(c.q.numel());
    sums_["dk"] = make(c.k.numel());
    sums_["dv"] = make(c.v.numel());
    if (c.options.alibi.defined()) sums_["dalibi"] = make(c.q.size(1));
    if (c.options.sinks.defined()) sums_["dsinks"] = make(c.q.size(1));
    if (c.options.relative) sums_["dt5_table"] = make(c.options.relative->table.numel());
    for (size_t i = 0; i < c.additives.size(); ++i) {
      sums_["dbias" + std::to_string(i)] = make(c.additives[i].numel());
    }
    for (int64_t b = 0; b < c.q.size(0); ++b) {
      for (int64_t h = 0; h < c.q.size(1); ++h) {
        for (int64_t t = 0; t < c.q.size(2); ++t) add_row(b, h, t);
      }
    }
    if (!rounding) return;
    round_all("dq", c.q.dtype());
    round_all("dk", c.k.dtype());
    round_all("dv", c.k.dtype());
  }

  const std::map<std::string, Sums<Real>>& sums() const { return sums_; }
  double largest_score() const { return largest_score_; }

 private:
  struct Pair {
    int64_t s;
    ExpectedPair expected;
    Real score, slope, weight, dp;
    double dp_size;
  };

  Real stored(Real x) const {
    return rounding_ ? static_cast<Real>(rounded(c_.q.dtype(), static_cast<double>(x))) : x;
  }
  Real value(const Tensor& x, int64_t b, int64_t h, int64_t t, int64_t i) const {
    return static_cast<Real>(
        x.data<float>()[((b * x.size(1) + h) * x.size(2) + t) * x.size(3) + i]);
  }
  void round_all(const std::string& name, DType dtype) {
    for (Real& x : sums_[name].values) {
      x = static_cast<Real>(rounded(dtype, static_cast<double>(x)));
    }
  }

  std::vector<Pair> seen_pairs(int64_t b, int64_t h, int64_t t) {
    const int64_t g = h / (c_.q.size(1) / c_.k.size(1));
    const Real scale = c_.options.scale
                           ? static_cast<Real>(*c_.options.scale)
                           : 1 / std::sqrt(static_cast<Real>(std::max<int64_t>(1, c_.q.size(3))));
    std::vector<Pair> pairs;
    for (int64_t s = 0; s < c_.k.size(2); ++s) {
      Pair pair{s, expected_pair(c_, b, h, t, s), 0, 1, 0, 0, 0};
      if (!pair.expected.seen) continue;
      double size = 0;
      for (int64_t d = 0; d < c_.q.size(3); ++d) {
        const Real product = value(q_, b, h, t, d) * value(k_, b, g, s, d);
        pair.score += product;
        size += std::abs(static_cast<double>(product));
      }
      pair.score *= scale;
      size *= std::abs(static_cast<double>(scale));
      if (c_.options.softcap != 0) {
        const auto cap = static_cast<Real>(c_.options.softcap);
        const Real bent = std::tanh(pair.score / cap);
        pair.slope = 1 - bent * bent;
        pair.score = cap * bent;
      }
      largest_score_ = std::max(largest_score_, size + std::abs(pair.expected.bias));
      pair.score = stored(pair.score + static_cast<Real>(pair.expected.bias));
      pairs.push_back(pair);
    }
    return pairs;
  }

  void add_row(int64_t b, int64_t h, int64_t t) {
    constexpr Real kHidden = -std::numeric_limits<Real>::infinity();
    const int64_t g = h / (c_.q.size(1) / c_.k.size(1)), values = c_.v.size(3);
    std::vector<Pair> pairs = seen_pairs(b, h, t);
    const Real sink =
        c_.options.sinks.defined() ? static_cast<Real>(c_.options.sinks.at({h})) : kHidden;
    Real highest = sink;
    for (const Pair& pair : pairs) highest = std::max(highest, pair.score);
    if (highest == kHidden) return;
    Real total = std::exp(sink - highest);
    for (const Pair& pair : pairs) total += std::exp(pair.score - highest);
    const Real lse = highest + std::log(total);

    std::vector<Real> y(static_cast<size_t>(values));
    for (Pair& pair : pairs) {
      pair.weight = stored(std::exp(pair.score - lse));
      const auto kept = static_cast<Real>(pair.expected.dropout);
      for (int64_t e = 0; kept != 0 && e < values; ++e) {
        const Real v = value(v_, b, g, pair.s, e), dy = value(dy_, b, h, t, e);
        y[static_cast<size_t>(e)] += kept * pair.weight * v;
        pair.dp += kept * v * dy;
        pair.dp_size += std::abs(static_cast<double>(kept * v * dy));
      }
      pair.dp = stored(pair.dp);
    }
    Real delta = 0;
    double delta_size = 0;
    for (int64_t e = 0; e < values; ++e) {
      const Real product = value(dy_, b, h, t, e) * stored(y[static_cast<size_t>(e)]);
      delta += product;
      delta_size += std::abs(static_cast<double>(product));
    }
    const auto sink_weight = static_cast<double>(std::exp(sink - lse));
    if (c_.options.sinks.defined()) {
      sums_["dsinks"].add(h, -static_cast<Real>(sink_weight) * delta, sink_weight * delta_size);
    }
    for (const Pair& pair : pairs) add_pair(b, h, t, g, pair, delta, delta_size);
  }

  void add_pair(int64_t b, int64_t h, int64_t t, int64_t g, const Pair& pair, Real delta,
                double delta_size) {
    const Real dscore = stored(pair.weight * (pair.dp - delta));
    const double size = static_cast<double>(pair.weight) * (pair.dp_size + delta_size);
    const int64_t heads = c_.q.size(1), d = c_.q.size(3), e = c_.v.size(3), s = pair.s;
    const Real scale = c_.options.scale ? static_cast<Real>(*c_.options.scale)
                                        : 1 / std::sqrt(static_cast<Real>(std::max<int64_t>(1, d)));
    const Real dx = dscore * pair.slope * scale;
    const double dx_size = size * std::abs(static_cast<double>(scale));
    const int64_t query = (b * heads + h) * c_.q.size(2) + t;
    const int64_t key = (b * c_.k.size(1) + g) * c_.k.size(2) + s;
    const auto add_product = [&](const char* name, int64_t i, Real a, double a_size, Real x) {
      sums_[name].add(i, a * x, a_size * std::abs(static_cast<double>(x)));
    };
    for (int64_t i = 0; i < d; ++i) {
      add_product("dq", query * d + i, dx, dx_size, value(k_, b, g, s, i));
      add_product("dk", key * d + i, dx, dx_size, value(q_, b, h, t, i));
    }
    const Real kept = pair.weight * static_cast<Real>(pair.expected.dropout);
    for (int64_t i = 0; i < e; ++i) {
      add_product("dv", key * e + i, kept, static_cast<double>(kept), value(dy_, b, h, t, i));
    }
    for (size_t i = 0; i < c_.additives.size(); ++i) {
      const int64_t at[4] = {b, h, t, s};
      sums_["dbias" + std::to_string(i)].add(broadcast_index(c_.additives[i].shape(), at), dscore,
                                             size);
    }
    const auto far = static_cast<Real>(std::abs(pair.expected.distance));
    if (c_.options.alibi.defined()) add_product("dalibi", h, dscore, size, -far);
    if (!c_.options.relative) return;
    const auto& [table, both, most] = *c_.options.relative;
    const int64_t bucket =
        RelativeBuckets::bucket(pair.expected.distance, table.size(0), both, most);
    sums_["dt5_table"].add(bucket * heads + h, dscore, size);
  }

  const AttentionCase& c_;
  const Tensor q_, k_, v_, dy_;  // exactly as they are stored
  bool rounding_;
  std::map<std::string, Sums<Real>> sums_;
  double largest_score_ = 0;
};

}  // namespace

std::map<std::string, ExpectedGradient> expected_gradients(const AttentionCase& c,
                                                           const Tensor& dy) {
  const Plain<double> exact(c, dy, false);
  const Plain<float> plain(c, dy, true);
  std::map<std::string, ExpectedGradient> gradients;
  for (const auto& [name, sums] : exact.sums()) {
    ExpectedGradient& gradient = gradients[name];
    gradient.values = sums.values;
    const std::vector<float>& others = plain.sums().at(name).values;
    double error = 0;
    for (size_t i = 0; i < others.size(); ++i) {
      error = std::max(error, std::abs(static_cast<double>(others[i]) - sums.values[i]));
    }
    // One rounding of a score of that size, which enters a weight and lse; some of the rest; and of
    // y as it is stored, which enters delta.
    const double roundings = kUnit * (8 + 2 * exact.largest_score()) + storage_unit(c.q.dtype());
    for (const double size : sums.sizes) {
      gradient.tolerances.push_back(2 * error + roundings * size + 1e-36);
    }
  }
  return gradients;
}

}  // namespace heed::testing
