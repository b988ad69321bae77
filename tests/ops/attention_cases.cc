#include "tests/ops/attention_cases.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "heed/kernels/element.h"
#include "tests/support.h"

namespace heed::testing {
namespace {

constexpr double kHidden = -std::numeric_limits<double>::infinity();
constexpr double kUnit = 0x1p-24;

/// Where query t stands among the keys it may see at all.
struct Place {
  int64_t first_key = 0, keys = 0;  // its segment's, or all
  int64_t query = 0;                // in its segment
  int64_t position = 0;             // relative to first_key
  uint64_t segment = 0;
};

Place place_of(const AttentionCase& c, int64_t b, int64_t t) {
  Place place{0, c.k.size(2), t, 0, 0};
  int64_t queries = c.q.size(2);
  if (!c.query_starts.empty()) {
    const auto next = std::upper_bound(c.query_starts.begin(), c.query_starts.end(), t);
    const auto i = static_cast<size_t>(next - c.query_starts.begin()) - 1;
    place = {c.key_starts[i], c.key_starts[i + 1] - c.key_starts[i], t - c.query_starts[i], 0, i};
    queries = c.query_starts[i + 1] - c.query_starts[i];
  }
  if (!c.lengths.empty()) place.keys = c.lengths[static_cast<size_t>(b)];
  place.position = place.query + (c.corner == Corner::top_left ? 0
                                  : c.corner == Corner::given  ? c.offsets[static_cast<size_t>(b)]
                                                               : place.keys - queries);
  return place;
}

/// Element [b, h, t, s] of a mask that broadcasts there.
template <class T>
T mask_at(const Tensor& mask, int64_t b, int64_t h, int64_t t, int64_t s) {
  const int64_t at[] = {b, h, t, s};
  const T* p = mask.data<T>();
  for (int i = 0; i < mask.rank(); ++i) {
    if (mask.size(i) != 1) p += at[4 - mask.rank() + i] * mask.stride(i);
  }
  return *p;
}

/// Row [b, h, t] of x.
std::vector<double> row_of(const Tensor& x, int64_t b, int64_t h, int64_t t) {
  const std::byte* at =
      x.raw_data() + (b * x.stride(0) + h * x.stride(1) + t * x.stride(2)) * size_of(x.dtype());
  std::vector<double> row(static_cast<size_t>(x.size(3)));
  if (x.dtype() == DType::f32) {
    std::copy_n(reinterpret_cast<const float*>(at), x.size(3), row.begin());
    return row;
  }
  const auto element = x.dtype() == DType::bf16 ? kernels::Element::bf16 : kernels::Element::f16;
  for (double& value : row) {
    value = static_cast<double>(kernels::load_element(element, at));
    at += kernels::size_of(element);
  }
  return row;
}

struct Score {
  double value = kHidden;
  double size = 0;         // of what was added up
  double error = 0;        // of f32 arithmetic
  double plain = kHidden;  // in f32, one product after another
};

bool sees(const AttentionCase& c, const Place& place, int64_t b, int64_t h, int64_t t, int64_t s) {
  const int64_t j = s - place.first_key;
  if (j < 0 || j >= place.keys) return false;
  if (c.corner != Corner::none && j > place.position) return false;
  if (c.left != Mask::kOpen && j < place.position - c.left) return false;
  if (c.right != Mask::kOpen && j > place.position + c.right) return false;
  const auto hides = [&](const Tensor& mask) { return !mask_at<bool>(mask, b, h, t, s); };
  return std::none_of(c.booleans.begin(), c.booleans.end(), hides);
}

/// What is added to a key's score, biases by distance included, and how much that is in all.
Score added(const AttentionCase& c, const Place& place, int64_t b, int64_t h, int64_t t,
            int64_t s) {
  Score sum{0, 0, 0};
  const auto add = [&](double x) {
    sum.value += x;
    sum.size += std::abs(x);
    sum.error += kUnit * sum.size;
  };
  const int64_t distance = s - place.first_key - place.position;
  const AttentionOptions& options = c.options;
  if (options.alibi.defined()) {
    add(-static_cast<double>(options.alibi.at({h})) * static_cast<double>(std::abs(distance)));
  }
  if (options.relative) {
    const auto& [table, both, most] = *options.relative;
    add(static_cast<double>(
        table.at({RelativeBuckets::bucket(distance, table.size(0), both, most), h})));
  }
  for (const Tensor& mask : c.additives) add(static_cast<double>(mask_at<float>(mask, b, h, t, s)));
  return sum;
}

/// query: row_of(c.q, b, h, t).
Score score_of(const AttentionCase& c, const Place& place, const std::vector<double>& query,
               int64_t b, int64_t h, int64_t t, int64_t s) {
  if (!sees(c, place, b, h, t, s)) return {};
  const Score bias = added(c, place, b, h, t, s);
  if (bias.value == kHidden) return {};
  const int64_t g = h / (c.q.size(1) / c.k.size(1));
  double sum = 0, size = 0;
  float chain = 0;
  const std::vector<double> key = row_of(c.k, b, g, s);
  for (size_t d = 0; d < key.size(); ++d) {
    const double product = query[d] * key[d];
    sum += product;
    size += std::abs(product);
    chain += static_cast<float>(product);
  }
  const double scale = c.options.scale
                           ? static_cast<double>(*c.options.scale)
                           : 1 / std::sqrt(static_cast<double>(std::max<int64_t>(1, c.q.size(3))));
  Score score{sum * scale, size * std::abs(scale), 0, 0};
  float plain = chain * static_cast<float>(scale);
  score.error = kUnit * (4 * std::sqrt(static_cast<double>(c.q.size(3)) + 2) + 2) * score.size;
  if (c.options.softcap != 0) {
    const auto cap = static_cast<double>(c.options.softcap);
    score.value = cap * std::tanh(score.value / cap);
    score.error += 8 * kUnit * score.size;
    plain = c.options.softcap * std::tanh(plain / c.options.softcap);
  }
  score.value += bias.value;
  score.plain = static_cast<double>(plain + static_cast<float>(bias.value));
  score.size += bias.size;
  score.error += bias.error + kUnit * score.size;
  return score;
}

/// Half the distance between stored numbers near x, at most.
double storage_error(DType dtype, double x) {
  if (dtype == DType::bf16) return std::ldexp(std::abs(x), -8);
  if (dtype == DType::f16) return std::ldexp(std::abs(x), -11) + 0x1p-25;
  return 0;
}

double dropout_of(const AttentionCase& c, const Place& place, int64_t b, int64_t h, int64_t s) {
  kernels::Dropout dropout = c.options.dropout;
  if (!dropout.on() || s < place.first_key) return 1;  // another segment's key weighs nothing
  dropout.seed += place.segment * 0x9E3779B97F4A7C15U;
  return static_cast<double>(
      kernels::dropout_factor(dropout, b * c.q.size(1) + h, place.query, s - place.first_key));
}

/// sum over keys of weight v, weights and result rounded as a computation in dtype would.
void add_up(const AttentionCase& c, const Place& place, int64_t b, int64_t h,
            const std::vector<double>& weights, std::vector<double>* y, double* magnitude) {
  const int64_t g = h / (c.q.size(1) / c.k.size(1));
  y->assign(static_cast<size_t>(c.v.size(3)), 0.0);
  for (int64_t s = 0; s < c.k.size(2); ++s) {
    const double weight = weights[static_cast<size_t>(s)] * dropout_of(c, place, b, h, s);
    if (weight == 0) continue;
    const std::vector<double> value = row_of(c.v, b, g, s);
    for (size_t e = 0; e < value.size(); ++e) {
      (*y)[e] += weight * value[e];
      *magnitude = std::max(*magnitude, std::abs(value[e]));
    }
  }
}

/// Softmax of scores with the row's sink; lse is -inf where nothing is seen.
std::vector<double> softmax_of(const std::vector<double>& scores, const Tensor& sinks, int64_t h,
                               double* lse) {
  double highest = sinks.defined() ? static_cast<double>(sinks.at({h})) : kHidden;
  for (const double score : scores) highest = std::max(highest, score);
  double total = 0;
  if (highest != kHidden) {
    if (sinks.defined()) total = std::exp(static_cast<double>(sinks.at({h})) - highest);
    for (const double score : scores) total += std::exp(score - highest);
  }
  *lse = total == 0 ? kHidden : highest + std::log(total);
  std::vector<double> weights;
  for (const double score : scores) {
    weights.push_back(score == kHidden ? 0 : std::exp(score - highest) / total);
  }
  return weights;
}

}  // namespace

double rounded(DType dtype, double x) {
  const auto y = static_cast<float>(x);
  if (dtype == DType::bf16) return static_cast<double>(to_float(to_bfloat16(y)));
  if (dtype == DType::f16) return static_cast<double>(to_float(to_float16(y)));
  return x;
}

ExpectedPair expected_pair(const AttentionCase& c, int64_t b, int64_t h, int64_t t, int64_t s) {
  const Place place = place_of(c, b, t);
  if (!sees(c, place, b, h, t, s)) return {};
  const double bias = added(c, place, b, h, t, s).value;
  return {bias != kHidden, bias, dropout_of(c, place, b, h, s),
          s - place.first_key - place.position};
}

void AttentionCase::set_mask() {
  Mask mask;
  if (corner == Corner::top_left) mask = mask & Mask::causal(Align::top_left);
  if (corner == Corner::bottom_right) mask = mask & Mask::causal(Align::bottom_right);
  if (corner == Corner::given) mask = mask & Mask::causal(offsets);
  if (left != Mask::kOpen || right != Mask::kOpen) mask = mask & Mask::window(left, right);
  if (!lengths.empty()) mask = mask & Mask::padding(lengths);
  if (!query_starts.empty()) mask = mask & Mask::segments(query_starts, key_starts);
  for (const Tensor& tensor : booleans) mask = mask & Mask::boolean(tensor);
  for (const Tensor& tensor : additives) mask = mask & Mask::additive(tensor);
  options.mask = mask;
}

AttentionOutputs AttentionCase::run(const AttentionWant& want) const {
  return pages.table.defined() ? attention_outputs(q, pages, options, want)
                               : attention_outputs(q, k, v, options, want);
}

AttentionCase AttentionCase::part(int64_t b, int64_t first_query) const {
  AttentionCase one = *this;
  const auto row = [&](const Tensor& x) { return x.slice(0, b, b + 1); };
  one.q = row(q).slice(2, first_query, q.size(2));
  one.k = row(k);
  one.v = row(v);
  if (pages.table.defined()) one.pages.table = row(pages.table);
  if (!offsets.empty()) one.offsets = {offsets[static_cast<size_t>(b)] + first_query};
  if (corner == Corner::top_left) {
    one.corner = Corner::given;
    one.offsets = {first_query};
  }
  if (!lengths.empty()) one.lengths = {lengths[static_cast<size_t>(b)]};
  const auto cut = [&](Tensor& mask) {
    const int rank = mask.rank();
    if (rank == 4 && mask.size(0) != 1) mask = row(mask);
    if (rank >= 2 && mask.size(-2) != 1) mask = mask.slice(rank - 2, first_query, q.size(2));
  };
  for (Tensor& mask : one.booleans) cut(mask);
  for (Tensor& mask : one.additives) cut(mask);
  one.set_mask();
  return one;
}

AttentionCase AttentionCase::poisoned() const {
  AttentionCase other = *this;
  for (Tensor* rows : {&other.k, &other.v}) {
    const DType dtype = rows->dtype();
    const Tensor wide = rows->to(DType::f32).clone();
    for (int64_t b = 0; b < wide.size(0); ++b) {
      for (int64_t g = 0; g < wide.size(1); ++g) {
        for (int64_t s = lengths[static_cast<size_t>(b)]; s < wide.size(2); ++s) {
          for (int64_t i = 0; i < wide.size(3); ++i) {
            wide.at({b, g, s, i}) = std::numeric_limits<float>::quiet_NaN();
          }
        }
      }
    }
    *rows = wide.to(dtype);
  }
  return other;
}

AttentionCase AttentionCase::shortened() const {
  AttentionCase other = *this;
  const int64_t longest = lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
  other.k = k.slice(2, 0, longest);
  other.v = v.slice(2, 0, longest);
  const auto cut = [&](Tensor& mask) {
    const int last = mask.rank() - 1;
    if (mask.size(last) == k.size(2)) mask = mask.slice(last, 0, longest);
  };
  for (Tensor& mask : other.booleans) cut(mask);
  for (Tensor& mask : other.additives) cut(mask);
  other.set_mask();
  return other;
}

uint64_t number_of(const char* variable, uint64_t otherwise) {
  const std::string value = environment(variable);
  return value.empty() ? otherwise : std::strtoull(value.c_str(), nullptr, 10);
}

ExpectedRow expected_row(const AttentionCase& c, int64_t b, int64_t h, int64_t t) {
  const Place place = place_of(c, b, t);
  const std::vector<double> query = row_of(c.q, b, h, t);
  ExpectedRow row;
  std::vector<double> plain;
  row.position = place.first_key + place.position;
  row.first_key = place.first_key;
  double size = 0;
  for (int64_t s = 0; s < c.k.size(2); ++s) {
    const Score score = score_of(c, place, query, b, h, t, s);
    row.scores.push_back(score.value);
    plain.push_back(score.plain);
    row.score_error = std::max(row.score_error, score.error);
    size = std::max(size, score.size);
  }
  row.weights = softmax_of(row.scores, c.options.sinks, h, &row.lse);
  double plain_lse = 0;
  row.plain_weights = softmax_of(plain, c.options.sinks, h, &plain_lse);
  double magnitude = 0;
  add_up(c, place, b, h, row.weights, &row.y, &magnitude);
  if (c.options.dropout.on()) magnitude *= static_cast<double>(c.options.dropout.factor());
  const double chain = 4 * std::sqrt(static_cast<double>(c.k.size(2)));
  row.relative_error = 2 * row.score_error + kUnit * (2 * chain + 8);
  if (c.options.sinks.defined() && std::isfinite(c.options.sinks.at({h}))) {
    // its distance from the largest score is rounded
    row.relative_error +=
        kUnit * (size + std::abs(static_cast<double>(c.options.sinks.at({h}))) + 4);
  }
  row.y_error = row.relative_error * magnitude + 1e-36;
  row.weights_rounding = 0x1p-8 * magnitude;
  const DType dtype = c.q.dtype();
  if (dtype != DType::f32) {
    std::vector<double> scores, y;
    for (const double score : row.scores) scores.push_back(rounded(dtype, score));
    double lse = 0;
    std::vector<double> weights = softmax_of(scores, c.options.sinks, h, &lse);
    for (double& weight : weights) weight = rounded(dtype, weight);
    add_up(c, place, b, h, weights, &y, &magnitude);
    for (size_t e = 0; e < y.size(); ++e) {
      row.low_precision_error =
          std::max(row.low_precision_error, std::abs(rounded(dtype, y[e]) - row.y[e]));
      row.y_error = std::max(
          row.y_error, row.relative_error * magnitude + storage_error(dtype, std::abs(row.y[e])));
    }
  }
  return row;
}

}  // namespace heed::testing
