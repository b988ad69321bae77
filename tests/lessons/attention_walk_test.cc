#include "heed/lessons/attention_walk.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "heed/base/error.h"

namespace heed {
namespace {

Tensor vectors() {
  return Tensor::from({0.43f, 0.15f, 0.89f, 0.55f,  //
                       0.55f, 0.87f, 0.66f, 0.10f,  //
                       0.57f, 0.85f, 0.64f, 0.90f},
                      {3, 4});
}

const Step& step_named(const std::vector<Step>& steps, const std::string& name) {
  const auto found = std::ranges::find(steps, name, &Step::name);
  if (found == steps.end()) throw std::runtime_error("no step " + name);
  return *found;
}

std::string message_of(const AttentionWalk& given) {
  try {
    walk_attention(given);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::invalid_argument);
    return error.what();
  }
  return "no error";
}

TEST(AttentionWalk, WithoutMatricesAllThreeAreTheInput) {
  const std::vector<Step> steps = walk_attention({.x = vectors(), .scale = 1.0f});
  const Tensor raw = step_named(steps, "raw scores").values;
  const Tensor scores = step_named(steps, "scores").values;
  EXPECT_FLOAT_EQ(raw.at({0, 1}), 0.43f * 0.55f + 0.15f * 0.87f + 0.89f * 0.66f + 0.55f * 0.10f);
  EXPECT_EQ(scores.at({0, 1}), raw.at({0, 1}));
  EXPECT_EQ(step_named(steps, "weights").rows, (std::vector<std::string>{"x1", "x2", "x3"}));
  EXPECT_EQ(step_named(steps, "output").values.shape(), (Shape{3, 4}));
}

TEST(AttentionWalk, HeadsAreScaledByTheirOwnSize) {
  const std::vector<Step> steps = walk_attention({.x = vectors(), .heads = 2});
  const float raw = step_named(steps, "head 2: raw scores").values.at({0, 1});
  EXPECT_FLOAT_EQ(raw, 0.89f * 0.66f + 0.55f * 0.10f);
  EXPECT_FLOAT_EQ(step_named(steps, "head 2: scores").values.at({0, 1}), raw / std::sqrt(2.0f));
}

TEST(AttentionWalk, CausalHidesLaterRows) {
  const std::vector<Step> steps = walk_attention({.x = vectors(), .causal = true});
  const Tensor weights = step_named(steps, "weights").values;
  EXPECT_EQ(weights.at({0, 0}), 1);
  EXPECT_EQ(weights.at({1, 2}), 0);
  EXPECT_GT(step_named(steps, "raw scores").values.at({0, 2}), 0) << "raw scores are not masked";
}

TEST(AttentionWalk, ShapesThatDoNotFitAreNamed) {
  const Tensor x = vectors();
  EXPECT_EQ(message_of({.x = x, .w_query = Tensor::zeros({3, 2})}),
            "explain attention: W_q must be [C=4, D] but is [3, 2]; C is 4 in x");
  EXPECT_NE(message_of({.x = x, .w_query = Tensor::zeros({4, 2}), .w_key = Tensor::zeros({4, 3})})
                .find("W_k must be [C=4, D=2] but is [4, 3]"),
            std::string::npos);
  EXPECT_NE(message_of({.x = x, .w_query = Tensor::zeros({4, 2})}).find("D=2"), std::string::npos);
  EXPECT_EQ(message_of({.x = x, .heads = 3}),
            "explain attention: 3 heads must divide the width of the queries and keys, which is 4");
  EXPECT_NE(message_of({.x = x, .heads = 0}).find("0 heads"), std::string::npos);
  EXPECT_NE(message_of({.x = Tensor::zeros({3000, 1})}).find("1 to 2048 rows"), std::string::npos);
}

TEST(DrawWalk, FitsTheWidthAndFoldsColumns) {
  const std::vector<Step> steps =
      walk_attention({.x = Tensor::full({30, 30}, 0.125f), .causal = true});
  for (const int width : {40, 80, 200}) {
    const std::string text = draw_walk("Title", steps, {.width = width, .unicode = false});
    size_t begin = 0;
    for (size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n', begin)) {
      EXPECT_LE(end - begin, static_cast<size_t>(width)) << text.substr(begin, end - begin);
      begin = end + 1;
    }
  }
}

TEST(DrawWalk, LargeTablesAreCutAndSaySo) {
  const std::vector<Step> steps = walk_attention({.x = Tensor::full({50, 2}, 0.5f)});
  const std::string text = draw_walk("Title", steps, {});
  EXPECT_NE(text.find("and 10 more rows"), std::string::npos);
}

}  // namespace
}  // namespace heed
