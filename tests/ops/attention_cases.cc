#include "tests/ops/attention_cases.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "heed/kernels/element.h"
#include "tests/support.h"

namespace heed::testing {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr double kHidden = -std::numeric_limits<double>::infinity();
constexpr double kUnit = 0x1p-24;

// ---- drawing a case ----

/// std's distributions differ between libraries; a seed must mean one case. SplitMix64 (Steele et
/// al., 2014): most of the time of a small case goes into drawing it.
class Dice {
 public:
  explicit Dice(uint64_t seed) : state_(seed) {}
  uint64_t word() {
    uint64_t x = state_ += 0x9E3779B97F4A7C15U;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9U;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBU;
    return x ^ (x >> 31);
  }
  int64_t below(int64_t n) { return static_cast<int64_t>(word() % static_cast<uint64_t>(n)); }
  int64_t between(int64_t least, int64_t most) { return least + below(most - least + 1); }
  bool chance(double p) { return uniform() < p; }
  double uniform() { return static_cast<double>(word() >> 11) * 0x1p-53; }
  /// Near enough to a normal distribution: the sum of four uniform numbers of 16 bits, of variance
  /// 1/3, at 1.
  float normal() {
    const uint64_t x = word();
    const auto sum =
        static_cast<int64_t>((x & 0xffff) + (x >> 16 & 0xffff) + (x >> 32 & 0xffff) + (x >> 48));
    return static_cast<float>(sum - 0x1fffe) * 2.6429e-5F;
  }
  template <class T>
  T any(std::initializer_list<T> values) {
    return values.begin()[below(static_cast<int64_t>(values.size()))];
  }

 private:
  uint64_t state_;
};

struct Sizes {
  int64_t b, h, g, t, s, d, e;
};

int64_t draw_tokens(Dice& dice, int64_t most) {
  switch (dice.below(4)) {
    case 0:
      return std::min(most, dice.between(0, 4));
    case 1:
      return std::min(most, dice.between(5, 70));
    case 2:  // around the sizes of chunks and calls
      return std::min(most, 128 * dice.between(1, 2) + dice.between(-2, 2));
    default:
      return dice.between(0, most);
  }
}

Sizes draw_sizes(Dice& dice, const AttentionCaseLimits& limits) {
  Sizes n{};
  n.g = dice.between(1, 3);
  n.h = n.g * dice.any({1, 1, 2, 4});
  n.b = dice.between(1, 3);
  n.t = std::min(limits.queries, draw_tokens(dice, limits.tokens));
  n.s = std::max(limits.least_keys, draw_tokens(dice, limits.tokens));
  n.d = dice.any<int64_t>({1, 3, 8, 16, 20, 31, 32, 64, 64, 80, 128, 256});
  n.e = dice.chance(0.6) ? n.d : dice.any<int64_t>({1, 2, 8, 15, 24, 64, 130});
  while (n.b * n.h * n.t * n.s * (n.d + n.e) > limits.work) {
    if (n.b > 1) {
      --n.b;
    } else if (n.g > 1) {
      n.h = n.h / n.g * (n.g - 1);
      --n.g;
    } else if (n.d + n.e > 40) {
      n.d = (n.d + 1) / 2;
      n.e = (n.e + 1) / 2;
    } else {
      n.t /= 2;
    }
  }
  return n;
}

Tensor draw_values(Dice& dice, const Shape& shape, DType dtype, float spread) {
  const Tensor wide = Tensor::empty(shape);
  for (float& x : wide.span<float>()) x = spread * dice.normal();
  return wide.to(dtype);
}

/// [b, heads, tokens, size] laid out in one of several ways, noted in text.
Tensor draw_rows(Dice& dice, int64_t b, int64_t heads, int64_t tokens, int64_t size, DType dtype,
                 float spread, std::string* text) {
  switch (dice.below(5)) {
    case 0:
      *text += " by-token";
      return draw_values(dice, {b, tokens, heads, size}, dtype, spread).transpose(1, 2);
    case 1: {  // part of something larger in every dimension
      *text += " part";
      return draw_values(dice, {b + 1, heads + 1, tokens + 2, size + 3}, dtype, spread)
          .slice(0, 1, b + 1)
          .slice(1, 0, heads)
          .slice(2, 1, tokens + 1)
          .slice(3, 1, size + 1);
    }
    case 2:  // one batch row for all
      *text += " expanded";
      return draw_values(dice, {1, heads, tokens, size}, dtype, spread)
          .expand({b, heads, tokens, size});
    default:
      return draw_values(dice, {b, heads, tokens, size}, dtype, spread);
  }
}

/// A shape that broadcasts to [B, H, T, S].
Shape draw_mask_shape(Dice& dice, const Sizes& n) {
  const int64_t sizes[] = {n.b, n.h, n.t, n.s};
  const int64_t rank = dice.between(1, 4);
  Shape shape;
  for (int64_t i = 4 - rank; i < 4; ++i) shape.push_back(dice.chance(0.3) ? 1 : sizes[i]);
  return shape;
}

/// The last two dimensions of a mask exchanged in memory, sometimes.
Tensor draw_mask(Dice& dice, Shape shape, DType dtype, const auto& fill) {
  const int rank = shape.rank();
  const bool turned = rank >= 2 && dice.chance(0.2);
  if (turned) std::swap(shape[rank - 1], shape[rank - 2]);
  const Tensor mask = Tensor::empty(shape, dtype);
  fill(mask);
  return turned ? mask.transpose(rank - 1, rank - 2) : mask;
}

std::vector<int64_t> draw_starts(Dice& dice, int64_t segments, int64_t end) {
  std::vector<int64_t> starts{0, end};
  for (int64_t i = 1; i < segments; ++i) starts.push_back(dice.between(0, end));
  std::sort(starts.begin(), starts.end());
  return starts;
}

void draw_ranges(Dice& dice, const Sizes& n, bool paged, bool need_lengths, AttentionCase& c) {
  if (dice.chance(0.5)) {
    c.corner = dice.any({Corner::top_left, Corner::bottom_right, Corner::given});
    if (c.corner == Corner::given) {
      for (int64_t b = 0; b < n.b; ++b) c.offsets.push_back(dice.between(-n.t - 2, n.s + 2));
    }
    c.text += std::string(" causal") + std::to_string(static_cast<int>(c.corner));
  }
  if (dice.chance(0.4)) {
    const auto side = [&] {
      return dice.any<int64_t>({Mask::kOpen, 0, 1, dice.between(0, 40), 128, 1000});
    };
    c.left = side();
    c.right = side();
    c.text += " window " + std::to_string(c.left) + "," + std::to_string(c.right);
  }
  if (n.b == 1 && !paged && !need_lengths && dice.chance(0.3)) {
    const int64_t segments = dice.between(1, 4);
    c.query_starts = draw_starts(dice, segments, n.t);
    c.key_starts = draw_starts(dice, segments, n.s);
    c.text += " segments";
  } else if (need_lengths || dice.chance(paged ? 0.8 : 0.3)) {
    for (int64_t b = 0; b < n.b; ++b) c.lengths.push_back(dice.between(0, n.s));
    c.text += " lengths";
  }
}

void draw_tensors(Dice& dice, const Sizes& n, AttentionCase& c) {
  while (dice.chance(0.3)) {
    c.booleans.push_back(
        draw_mask(dice, draw_mask_shape(dice, n), DType::boolean, [&](const Tensor& mask) {
          for (bool& x : mask.span<bool>()) x = dice.chance(0.8);
        }));
    c.text += " boolean" + to_string(c.booleans.back().shape());
  }
  while (dice.chance(0.3)) {
    const double hidden = dice.any({0.0, 0.2});
    c.additives.push_back(
        draw_mask(dice, draw_mask_shape(dice, n), DType::f32, [&](const Tensor& mask) {
          for (float& x : mask.span<float>()) x = dice.chance(hidden) ? -kInfinity : dice.normal();
        }));
    c.text += " additive" + to_string(c.additives.back().shape());
  }
}

void draw_biases(Dice& dice, int64_t heads, AttentionCase& c) {
  AttentionOptions& options = c.options;
  if (dice.chance(0.3)) {
    options.scale = dice.any({0.3F, 0.0F, -0.7F, 1.0F});
    c.text += " scale " + std::to_string(*options.scale);
  }
  if (dice.chance(0.25)) {
    options.softcap = dice.any({1.0F, 20.0F});
    c.text += " softcap";
  }
  if (dice.chance(0.25)) {
    options.alibi = draw_values(dice, {heads}, DType::f32, 0.1F);
    c.text += " alibi";
  }
  if (dice.chance(0.25)) {
    const bool both = dice.chance(0.5);
    const int64_t buckets = dice.any<int64_t>({4, 8, 32});
    const int64_t exact = buckets / (both ? 4 : 2);
    options.relative = {draw_values(dice, {buckets, heads}, DType::f32, 1.0F), both,
                        exact + dice.any<int64_t>({1, 10, 128})};
    c.text += both ? " t5" : " t5-decoder";
  }
  if (dice.chance(0.25)) {
    options.sinks = draw_values(dice, {heads}, DType::f32, 3.0F);
    c.text += " sinks";
  }
}

/// Pages that hold k and v in any order, with some that nobody uses.
void make_pages(Dice& dice, const Sizes& n, int64_t tokens, AttentionCase& c) {
  const int64_t each = n.s / tokens;
  const int64_t count = n.b * each + 2;
  const auto gather = [&](const Tensor& rows, const Tensor& pages) {
    for (int64_t b = 0; b < n.b; ++b) {
      for (int64_t s = 0; s < n.s; ++s) {
        const int64_t page = c.pages.table.at<int32_t>({b, s / tokens});
        const auto bytes = static_cast<size_t>(rows.size(3) * size_of(rows.dtype()));
        for (int64_t g = 0; g < n.g; ++g) {
          std::memcpy(pages.select(0, page).select(0, g).select(0, s % tokens).raw_data(),
                      rows.select(0, b).select(0, g).select(0, s).raw_data(), bytes);
        }
      }
    }
    return pages;
  };
  std::vector<int32_t> order(static_cast<size_t>(count));
  for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int32_t>(i);
  for (size_t i = order.size(); i > 1; --i) {
    std::swap(order[i - 1], order[static_cast<size_t>(dice.below(static_cast<int64_t>(i)))]);
  }
  order.resize(static_cast<size_t>(n.b * each));
  c.pages.table = Tensor::from(order, {n.b, each});
  const DType dtype = c.k.dtype();
  c.pages.k = gather(c.k, draw_values(dice, {count, n.g, tokens, n.d}, dtype, 1.0F));
  c.pages.v = gather(c.v, draw_values(dice, {count, n.g, tokens, n.e}, dtype, 1.0F));
  c.text += " pages of " + std::to_string(tokens);
}

// ---- what a case must give ----

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

AttentionCase random_attention_case(uint64_t seed, const AttentionCaseLimits& limits) {
  Dice dice(seed);
  Sizes n = draw_sizes(dice, limits);
  int64_t page_tokens = 0;
  if (limits.pages && dice.chance(0.2)) {
    page_tokens = dice.any<int64_t>({1, 7, 16, 128, 256});
    n.s = (n.s + page_tokens - 1) / page_tokens * page_tokens;  // S is whole pages
  }
  const bool paged = page_tokens != 0;
  AttentionCase c;
  const auto draw_dtype = [&] {
    if (limits.bf16) return DType::bf16;
    if (!limits.halves) return DType::f32;
    return dice.any({DType::f32, DType::f32, DType::bf16, DType::f16});
  };
  const DType queries_as = draw_dtype();
  const DType keys_as = draw_dtype();
  const float spread = dice.any({1.0F, 1.0F, 0.1F, 4.0F});
  c.text = "case " + std::to_string(seed) + ": B" + std::to_string(n.b) + " H" +
           std::to_string(n.h) + "/" + std::to_string(n.g) + " T" + std::to_string(n.t) + " S" +
           std::to_string(n.s) + " D" + std::to_string(n.d) + " E" + std::to_string(n.e) + " q " +
           std::string(to_string(queries_as)) + " k " + std::string(to_string(keys_as));
  c.q = draw_rows(dice, n.b, n.h, n.t, n.d, queries_as, spread, &c.text);
  c.k = draw_rows(dice, n.b, n.g, n.s, n.d, keys_as, 1.0F, &c.text);
  c.v = draw_rows(dice, n.b, n.g, n.s, n.e, keys_as, 1.0F, &c.text);
  draw_ranges(dice, n, paged, limits.lengths, c);
  draw_tensors(dice, n, c);
  draw_biases(dice, n.h, c);
  if (limits.dropout && dice.chance(0.2)) {
    c.options.dropout = {dice.any({0.1F, 0.5F}), dice.word()};
    c.text += " dropout";
  }
  if (limits.poison && !c.lengths.empty() && dice.chance(0.5)) {
    c = c.poisoned();
    c.text += " poisoned";
  }
  if (paged) make_pages(dice, n, page_tokens, c);
  c.set_mask();
  return c;
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
  if (c.options.sinks.defined()) {  // its distance from the largest score is rounded
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
