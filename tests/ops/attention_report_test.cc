#include "heed/ops/attention_report.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <numeric>
#include <random>

#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/base/parallel.h"
#include "tests/expect_error.h"
#include "tests/kernels/every_isa.h"
#include "tests/ops/attention_cases.h"
#include "tests/support.h"

// Reports against the statistics of f64 weights, and what must not change a bit of them.
// HEED_RANDOM_CASES as in attention_random_test.cc.

namespace heed::testing {
namespace {

bool same_bits(const Tensor& a, const Tensor& b) {
  if (a.defined() != b.defined()) return false;
  if (!a.defined()) return true;
  if (!(a.shape() == b.shape()) || a.dtype() != b.dtype()) return false;
  const Tensor x = a.contiguous();
  const Tensor y = b.contiguous();
  return std::memcmp(x.raw_data(), y.raw_data(),
                     static_cast<size_t>(x.numel() * size_of(x.dtype()))) == 0;
}

AttentionReport report_of(const AttentionCase& c, const AttentionReportWant& want) {
  return c.pages.table.defined() ? attention_report(c.q, c.pages, c.options, want)
                                 : attention_report(c.q, c.k, c.v, c.options, want);
}

/// Some of everything, the same for the same seed.
AttentionReportWant random_want(const AttentionCase& c, uint64_t seed) {
  std::mt19937_64 random(seed * 7919);
  const auto below = [&](int64_t n) {
    return static_cast<int64_t>(random() % static_cast<uint64_t>(std::max<int64_t>(n, 1)));
  };
  const int64_t keys = c.k.size(2), rows = c.q.size(2);
  AttentionReportWant want = AttentionReportWant::all_rows();
  want.max = below(4) != 0;
  if (below(5) == 0) want.entropy = want.squares = want.distance = want.perplexity = false;
  want.received = below(4) != 0;
  const int64_t tops[] = {0, 1, 3, 8, 64};
  want.top = tops[below(5)];
  const int64_t maps[] = {0, 1, 7, 32, 100, 1024};
  want.map = maps[below(6)];
  if (below(2) == 0) want.window = below(60);
  if (keys == 0) return want;
  const auto add_list = [&](int64_t lists) {
    AttentionKeyList list;
    if (lists > 0) list.starts.push_back(0);
    for (int64_t r = 0; r < std::max<int64_t>(lists, 1); ++r) {
      for (int64_t n = below(5); n > 0; --n) list.keys.push_back(below(keys));
      if (lists > 0) list.starts.push_back(static_cast<int64_t>(list.keys.size()));
    }
    want.lists.push_back(list);
  };
  if (below(2) == 0) add_list(0);
  if (below(2) == 0 && rows > 0) add_list(rows);
  if (below(2) == 0 && rows > 0) add_list(rows * c.q.size(0));
  if (below(2) == 0) {
    for (int64_t n = 2 + below(9); n > 0; --n) want.bins.push_back(below(keys + 1));
    std::sort(want.bins.begin(), want.bins.end());
  }
  return want;
}

/// The statistics of [B, H, T, S] weights, by the names of named_arrays; keys apart.
using Values = std::map<std::string, std::vector<double>>;

struct Weights {
  int64_t batch, heads, rows, keys;
  std::vector<double> p;
  std::vector<int64_t> position, first_key;  // [B, T]

  const double* row(int64_t b, int64_t h, int64_t t) const {
    return p.data() + ((b * heads + h) * rows + t) * keys;
  }
};

double listed_sum(const AttentionKeyList& list, const Weights& w, int64_t b, int64_t t,
                  const double* p) {
  const bool shared = static_cast<int64_t>(list.starts.size()) == w.rows + 1;
  const size_t r = static_cast<size_t>(shared ? t : b * w.rows + t);
  const int64_t begin = list.starts.empty() ? 0 : list.starts[r];
  const int64_t end =
      list.starts.empty() ? static_cast<int64_t>(list.keys.size()) : list.starts[r + 1];
  std::vector<int64_t> keys(list.keys.begin() + begin, list.keys.begin() + end);
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  double sum = 0;
  for (const int64_t key : keys) sum += p[key];
  return sum;
}

void add_row(Values& values, const Weights& w, const AttentionReportWant& want, int64_t b,
             int64_t h, int64_t t) {
  const double* p = w.row(b, h, t);
  const auto at = static_cast<size_t>(b * w.rows + t);
  const int64_t position = w.position[at], first_key = w.first_key[at];
  const auto weight = [&](int64_t s) {
    return s >= first_key && s < w.keys ? p[s] : 0;  // weights of other segments are 0
  };
  double entropy = 0, squares = 0, distance = 0, inside = 0, outside = 0;
  for (int64_t s = 0; s < w.keys; ++s) {
    const auto away = static_cast<double>(std::abs(position - s));
    if (p[s] > 0) entropy -= p[s] * std::log(p[s]);
    squares += p[s] * p[s];
    distance += p[s] * away;
    (away <= static_cast<double>(want.window.value_or(0)) ? inside : outside) += p[s];
  }
  const auto put = [&](const std::string& name, double value) { values[name].push_back(value); };
  put("entropy", entropy);
  put("perplexity", squares == 0 ? 0 : std::exp(entropy));
  put("squares", squares);
  put("distance", distance);
  put("first", weight(first_key));
  put("self", weight(position));
  put("previous", weight(position - 1));
  const std::string window = std::to_string(want.window.value_or(0));
  put("inside" + window, inside);
  put("outside" + window, outside);
  for (const AttentionKeyList& list : want.lists) put("listed", listed_sum(list, w, b, t, p));
  for (size_t i = 0; i + 1 < want.bins.size(); ++i) {
    put("binned", std::accumulate(p + want.bins[i], p + want.bins[i + 1], 0.0));
  }
  std::vector<double> sorted(p, p + w.keys);
  std::sort(sorted.rbegin(), sorted.rend());
  sorted.resize(static_cast<size_t>(std::max<int64_t>(w.keys, 64)), 0.0);
  put("max", sorted[0]);
  for (int64_t i = 0; i < want.top; ++i) {
    put(fmt::format("top{}_weights", want.top), sorted[static_cast<size_t>(i)]);
  }
}

void add_keys(Values& values, const Weights& w, int64_t b, int64_t h) {
  for (int64_t s = 0; s < w.keys; ++s) {
    double sum = 0, most = 0;
    for (int64_t t = 0; t < w.rows; ++t) {
      sum += w.row(b, h, t)[s];
      most = std::max(most, w.row(b, h, t)[s]);
    }
    values["received"].push_back(sum);
    values["received_max"].push_back(most);
  }
}

void add_map(Values& values, const Weights& w, int64_t most, int64_t b, int64_t h) {
  const std::string name = "map" + std::to_string(most);
  const int64_t rows = std::min(most, w.rows), columns = std::min(most, w.keys);
  for (int64_t r = 0; r < rows; ++r) {
    for (int64_t c = 0; c < columns; ++c) {
      double sum = 0, high = 0, pairs = 0;
      for (int64_t t = r * w.rows / rows; t < (r + 1) * w.rows / rows; ++t) {
        for (int64_t s = c * w.keys / columns; s < (c + 1) * w.keys / columns; ++s) {
          sum += w.row(b, h, t)[s];
          high = std::max(high, w.row(b, h, t)[s]);
          ++pairs;
        }
      }
      values[name + "_sum"].push_back(sum);
      values[name + "_mean"].push_back(sum / pairs);
      values[name + "_max"].push_back(high);
    }
  }
}

Values values_of(const Weights& w, const AttentionReportWant& want) {
  Values values;
  for (int64_t b = 0; b < w.batch; ++b) {
    for (int64_t h = 0; h < w.heads; ++h) {
      for (int64_t t = 0; t < w.rows; ++t) add_row(values, w, want, b, h, t);
      add_keys(values, w, b, h);
      if (want.map > 0) add_map(values, w, want.map, b, h);
    }
  }
  return values;
}

/// The case's weights in f64, the scores they come from, and the weights of plain f32 loops.
Weights exact_weights(const AttentionCase& c, std::vector<double>* scores,
                      std::vector<double>* plain) {
  Weights w{c.q.size(0), c.q.size(1), c.q.size(2), c.k.size(2), {}, {}, {}};
  for (int64_t b = 0; b < w.batch; ++b) {
    for (int64_t h = 0; h < w.heads; ++h) {
      for (int64_t t = 0; t < w.rows; ++t) {
        const ExpectedRow row = expected_row(c, b, h, t);
        w.p.insert(w.p.end(), row.weights.begin(), row.weights.end());
        scores->insert(scores->end(), row.scores.begin(), row.scores.end());
        plain->insert(plain->end(), row.plain_weights.begin(), row.plain_weights.end());
        if (h > 0) continue;
        w.position.push_back(row.position);
        w.first_key.push_back(row.first_key);
      }
    }
  }
  return w;
}

/// The error that statistics may have: 1e-5 of max(1, |value|) or twice what an f32 matrix gives:
/// the one that attention returns or, where its kernel adds in several chains (one query), the one
/// of plain loops.
void expect_values(const Values& exact, const std::vector<Values>& plain,
                   const AttentionReport& report, const AttentionReportWant& want,
                   const std::string& text) {
  for (const auto& [name, array] : named_arrays(report, want)) {
    if (array.dtype() != DType::f32) continue;
    ASSERT_TRUE(exact.count(name) == 1 || array.numel() == 0) << name << " of " << text;
    if (array.numel() == 0) continue;
    const std::vector<double>& values = exact.at(name);
    ASSERT_EQ(static_cast<int64_t>(values.size()), array.numel()) << name << " of " << text;
    double of_matrix = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      for (const Values& matrix : plain) {
        of_matrix = std::max(of_matrix, std::abs(matrix.at(name)[i] - values[i]));
      }
    }
    const auto found = array.contiguous().span<float>();
    for (size_t i = 0; i < values.size(); ++i) {
      const double tolerance = std::max(1e-5 * std::max(1.0, std::abs(values[i])), 2 * of_matrix);
      ASSERT_NEAR(static_cast<double>(found[i]), values[i], tolerance)
          << name << " " << i << " of " << text;
    }
  }
}

/// Named keys hold the weights that were named with them, and no key is named twice.
void expect_keys(const Weights& w, const std::vector<double>& scores, const Tensor& keys,
                 const Tensor& weights, double tolerance, const std::string& text) {
  const int64_t top = keys.rank() == 4 ? keys.size(3) : 1;
  for (int64_t row = 0; row < w.batch * w.heads * w.rows; ++row) {
    const double* score = scores.data() + row * w.keys;
    const int64_t visible = std::count_if(score, score + w.keys, [](double x) {
      return x != -std::numeric_limits<double>::infinity();
    });
    std::vector<int64_t> named;
    for (int64_t i = 0; i < top; ++i) {
      const int64_t key = keys.span<int64_t>()[static_cast<size_t>(row * top + i)];
      const float weight = weights.span<float>()[static_cast<size_t>(row * top + i)];
      if (i >= visible) {
        ASSERT_EQ(key, -1) << text;
        ASSERT_EQ(weight, 0.0F) << text;
        continue;
      }
      ASSERT_TRUE(key >= 0 && key < w.keys) << key << " of " << text;
      ASSERT_NEAR(w.p[static_cast<size_t>(row * w.keys + key)], static_cast<double>(weight),
                  tolerance)
          << "key " << key << " of row " << row << ", " << text;
      ASSERT_EQ(std::count(named.begin(), named.end(), key), 0) << text;
      named.push_back(key);
    }
  }
}

void expect_report(const AttentionCase& c, const Weights& exact, const std::vector<double>& scores,
                   const Weights& loops, const AttentionReportWant& want) {
  const AttentionOutputs outputs = c.run({.lse = true, .weights = true});
  const AttentionReport report = report_of(c, want);
  EXPECT_TRUE(same_bits(outputs.y, report.y)) << c.text;
  EXPECT_TRUE(same_bits(outputs.lse, report.lse)) << c.text;
  Weights plain = exact;
  const auto weights = outputs.weights.span<float>();
  plain.p.assign(weights.begin(), weights.end());
  double error = 1e-5;
  for (size_t i = 0; i < plain.p.size(); ++i) {
    error = std::max(
        {error, 2 * std::abs(plain.p[i] - exact.p[i]), 2 * std::abs(loops.p[i] - exact.p[i])});
  }
  expect_values(values_of(exact, want), {values_of(plain, want), values_of(loops, want)}, report,
                want, c.text);
  if (want.max) expect_keys(exact, scores, report.max_key, report.max, error, c.text);
  if (want.top == 0) return;
  expect_keys(exact, scores, report.top_keys, report.top_weights, error, c.text);
  if (!want.received) return;
  Tensor counted = Tensor::zeros(report.received_top.shape(), DType::i64);
  for (int64_t i = 0; i < report.top_keys.numel(); ++i) {
    const int64_t key = report.top_keys.span<int64_t>()[static_cast<size_t>(i)];
    const int64_t head = i / (exact.rows * want.top);
    if (key >= 0) ++counted.span<int64_t>()[static_cast<size_t>(head * exact.keys + key)];
  }
  EXPECT_TRUE(same_bits(counted, report.received_top)) << c.text;
}

uint64_t cases(uint64_t usual) {
  const std::string asked = environment("HEED_RANDOM_CASES");
  return asked.empty() ? usual : std::strtoull(asked.c_str(), nullptr, 10) / 4;
}

TEST(AttentionReportRandom, AgreesWithTheStatisticsOfDoublePrecisionWeights) {
  for (uint64_t seed = 1; seed <= cases(120) && !HasFailure(); ++seed) {
    const AttentionCase c = random_attention_case(seed, {.work = 1 << 19});
    std::vector<double> scores;
    std::vector<double> plain;
    const Weights exact = exact_weights(c, &scores, &plain);
    Weights loops = exact;
    loops.p = plain;
    kernels::on_every_isa(
        [&](kernels::Isa) { expect_report(c, exact, scores, loops, random_want(c, seed)); });
  }
}

TEST(AttentionReportRandom, SameBitsAtAnyThreadCount) {
  const int before = num_threads();
  for (uint64_t seed = 1; seed <= cases(24) && !HasFailure(); ++seed) {
    const AttentionCase c = random_attention_case(seed, {.tokens = 600});
    const AttentionReportWant want = random_want(c, seed);
    kernels::on_every_isa([&](kernels::Isa) {
      set_num_threads(1);
      const AttentionReport alone = report_of(c, want);
      for (const int threads : {2, 3, 7}) {
        set_num_threads(threads);
        const auto many = named_arrays(report_of(c, want), want);
        const auto arrays = named_arrays(alone, want);
        for (size_t i = 0; i < arrays.size(); ++i) {
          EXPECT_TRUE(same_bits(arrays[i].second, many[i].second))
              << arrays[i].first << " at " << threads << " threads, " << c.text;
        }
      }
    });
  }
  set_num_threads(before);
}

}  // namespace
}  // namespace heed::testing
