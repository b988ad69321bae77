#include <gtest/gtest.h>

#include <cmath>

#include "heed/lens/diverge.h"
#include "heed/lens/look.h"
#include "heed/lens/look_arrays.h"
#include "heed/lens/look_picture.h"
#include "heed/lens/pooled_map.h"
#include "heed/lens/probe.h"
#include "heed/lens/through.h"
#include "heed/models/registry.h"
#include "tests/expect_error.h"
#include "tests/random_bert.h"
#include "tests/support.h"

// Longer texts are told of by reports; here from a text that whole matrices can be had of as well.

namespace heed {
namespace {

using testing::letters;

struct RandomBert {
  testing::TemporaryFolder folder;
  std::shared_ptr<const Encoder> model;
  std::shared_ptr<const Tokenizer> tokenizer;
  explicit RandomBert(uint64_t seed = 0) {
    testing::write_random_bert(folder.path(), 4096, seed);
    model = load_encoder(folder.path());
    tokenizer = Tokenizer::load(folder.path());
  }
  Look look(const std::string& text, const LookOptions& options = {}) const {
    return heed::look(*model, *tokenizer, text, options);
  }
};

TEST(LongText, ReportsSayWhatWholeMatricesSay) {
  const RandomBert bert;
  const std::string text = letters(60);
  const Look whole = bert.look(text);
  const Look reported = bert.look(text, {.most_whole = 50});
  ASSERT_TRUE(whole.weights);
  ASSERT_FALSE(reported.weights);
  ASSERT_EQ(reported.layers(), 2);
  ASSERT_EQ(reported.heads(), 2);
  for (int64_t i = 0; i < whole.states.numel(); ++i) {
    ASSERT_EQ(whole.states.span<float>()[i], reported.states.span<float>()[i]);
  }
  EXPECT_EQ(whole.role(1, 1), reported.role(1, 1));
  // fewer tokens than the map has rows: a cell is a pair of tokens
  const HeatMap cells = pooled_map(reported, 1, std::nullopt, true, 7);
  const Tensor words = whole.between_words(1, std::nullopt);
  ASSERT_EQ(cells.values.shape(), words.shape());
  EXPECT_EQ(cells.marked_rows, std::vector<int64_t>{7});
  const HeatMap without = pooled_map(reported, 1, std::nullopt, false, std::nullopt);
  for (int64_t r = 0; r < words.size(0); ++r) {
    for (int64_t c = 0; c < words.size(1); ++c) {
      EXPECT_NEAR(cells.values.at({r, c}), words.at({r, c}), 1e-5);
      const bool sink = c == 0 || c == 61;
      EXPECT_NEAR(without.values.at({r, c}), sink ? 0 : words.at({r, c}), 1e-5);
    }
  }
  EXPECT_NEAR(sink_share(whole, 7)[1], words.at({7, 0}) + words.at({7, 61}), 1e-5);
  // the largest weights of each head are exact
  const std::vector<float> all = whole.row(1, 0, 7), top = reported.row(1, 0, 7);
  int64_t told = 0;
  for (size_t w = 0; w < all.size(); ++w) {
    if (top[w] == 0) continue;
    EXPECT_NEAR(top[w], all[w], 1e-6);
    ++told;
  }
  EXPECT_EQ(told, kLongTop);
}

TEST(LongText, PooledMapsOfManyTokensCarryTheirEdges) {
  const RandomBert bert;
  const Look look = bert.look(letters(2500));
  ASSERT_FALSE(look.weights);
  const Picture picture = look_picture({look}, {.layer = Pick::one(0), .sinks = true});
  const HeatMap& map = picture.maps[0];
  EXPECT_LE(map.values.size(0), kLongMap);
  ASSERT_EQ(std::ssize(map.row_edges), map.values.size(0) + 1);
  EXPECT_EQ(map.row_edges.back(), 2502);
  EXPECT_NE(picture.title.find("Where each word looks"), std::string::npos);
  EXPECT_NE(map.title.find("2502 tokens"), std::string::npos) << map.title;
  for (int64_t r = 0; r < map.values.size(0); ++r) {
    double sum = 0;
    for (int64_t c = 0; c < map.values.size(1); ++c) sum += map.values.at({r, c});
    EXPECT_NEAR(sum, 1, 1e-4);
  }
  std::map<std::string, Tensor> arrays;
  for (const auto& [name, array] : look_arrays(look)) arrays[name] = array;
  EXPECT_EQ(arrays.at("entropy").shape(), (Shape{2, 2, 2502}));
  EXPECT_EQ(arrays.at("top8_keys").shape(), (Shape{2, 2, 2502, 8}));
  EXPECT_EQ(arrays.at("map256_row_edges").numel(), arrays.at("map256_sum").size(2) + 1);
  EXPECT_FALSE(arrays.contains("listed"));
  EXPECT_EQ(head_arrays(look, 1, 1).size(), arrays.size());
}

TEST(LongText, DivergenceOfATextAndItselfIsNothing) {
  const RandomBert bert;
  const Look a = bert.look("a b c d e", {.runs = true});
  const Look b = bert.look("a b c d f", {.runs = true});
  int64_t last = 0, blocks = 0;
  const Tensor same = diverging(a, a).rows,
               apart = diverging(a, b, 0, [&](int64_t done, int64_t all) {
                         EXPECT_GE(done, last);
                         last = done;
                         blocks = all;
                       }).rows;
  EXPECT_GE(last, 2);  // of each layer's heads
  EXPECT_EQ(last, blocks);
  ASSERT_EQ(apart.shape(), (Shape{2, 2, 7}));
  for (const float value : same.span<float>()) EXPECT_NEAR(value, 0, 1e-6);
  float most = 0;
  for (const float value : apart.span<float>()) most = std::max(most, value);
  EXPECT_GT(most, 1e-3f);
  EXPECT_LE(most, 0.6932f);
  expect_error(ErrorCode::invalid_argument, {"as many tokens", "7 and 6"},
               [&] { diverging(a, bert.look("a b c d", {.runs = true})); });
}

TEST(LongText, NormsAreWeightsTimesWhatTheyMove) {
  const RandomBert bert;
  const Look look = bert.look("a b c", {.value_norms = true});
  const float weight = look.weights.at({1, 0, 2, 3}), norm = look.value_norms.at({1, 0, 3});
  EXPECT_GT(norm, 0);
  EXPECT_FLOAT_EQ(with_norms(look).weights.at({1, 0, 2, 3}), weight * norm);
}

TEST(LongText, RepeatsAreProbedAlikeForASeed) {
  const RandomBert bert;
  const auto once = probe_repeats(*bert.model, *bert.tokenizer, 1);
  const auto again = probe_repeats(*bert.model, *bert.tokenizer, 1);
  ASSERT_EQ(once.size(), 4U);
  EXPECT_EQ(once[3].mean().induction, again[3].mean().induction);
  EXPECT_FLOAT_EQ(once[0].mean().repeats, 0.75f);  // all but the first of four times
}

TEST(LongText, TwoHeadsPartAsTheirWeightsDo) {
  const RandomBert bert;
  const Look seen = bert.look("a b c d e f", {.runs = true});
  const Divergence apart = diverging(seen, {0, 1}, {1, 0}, kLongMap);
  ASSERT_EQ(apart.rows.shape(), (Shape{1, 1, 8}));
  ASSERT_EQ(apart.difference.size(), 1U);
  for (int64_t t = 0; t < 8; ++t) {
    double expected = 0;
    for (int64_t s = 0; s < 8; ++s) {
      const double a = seen.weights.at({0, 1, t, s}), b = seen.weights.at({1, 0, t, s});
      const double middle = (a + b) / 2;
      expected += (a * std::log(a / middle) + b * std::log(b / middle)) / 2;
      EXPECT_NEAR(apart.difference[0].sum.at({0, 0, t, s}), b - a, 1e-6);
    }
    EXPECT_NEAR(apart.rows.at({0, 0, t}), expected, 1e-6);
  }
  const Divergence none = diverging(seen, {1, 1}, {1, 1});
  for (const float value : none.rows.span<const float>()) EXPECT_NEAR(value, 0, 1e-6);
  EXPECT_TRUE(none.difference.empty());
  expect_error(ErrorCode::invalid_argument, {"2 layers x 2 heads", "L2 H0"}, [&] {
    diverging(seen, {2, 0}, {0, 0});
  });
}

TEST(LongText, TwoModelsPart) {
  const RandomBert bert, other(1);
  const Look a = bert.look("a b c d e f", {.runs = true});
  const Divergence apart = diverging(a, other.look("a b c d e f", {.runs = true}), 4);
  EXPECT_EQ(apart.rows.shape(), (Shape{2, 2, 8}));
  ASSERT_EQ(apart.difference.size(), 2U);
  EXPECT_EQ(apart.difference[1].sum.shape(), (Shape{1, 2, 4, 4}));
  EXPECT_GT(apart.rows.at({1, 1, 3}), 0.0F);
}

}  // namespace
}  // namespace heed
