// The digits of the lessons as published texts print them, recomputed independently; each is
// checked to the digits given here.

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <set>
#include <vector>

#include "heed/lessons/lesson.h"

namespace heed {
namespace {

constexpr float kHidden = -std::numeric_limits<float>::infinity();

Tensor values_of(std::string_view lesson_name, std::string_view step_name) {
  const Lesson* lesson = find_lesson(lesson_name);
  if (lesson == nullptr) throw std::runtime_error("no lesson " + std::string(lesson_name));
  for (const Step& step : lesson->walk()) {
    if (step.name == step_name) return step.values.contiguous();
  }
  throw std::runtime_error("no step " + std::string(step_name));
}

// The step's first numbers, row after row, rounded to that many digits after the point.
void expect_digits(std::string_view lesson, std::string_view step,
                   const std::vector<float>& expected, int digits = 4) {
  const Tensor values = values_of(lesson, step);
  ASSERT_LE(static_cast<int64_t>(expected.size()), values.numel()) << lesson << " / " << step;
  const double half_digit = 0.5 * std::pow(10.0, -digits) + 1e-6;  // and f32 rounding
  for (size_t i = 0; i < expected.size(); ++i) {
    const float found = values.span<float>()[i];
    if (std::isinf(expected[i])) {
      EXPECT_EQ(found, expected[i]) << lesson << " / " << step << " [" << i << "]";
    } else {
      EXPECT_NEAR(found, expected[i], half_digit) << lesson << " / " << step << " [" << i << "]";
    }
  }
}

TEST(Lessons, Bank) {
  expect_digits("bank", "scores", {.74f, .26f});
  expect_digits("bank", "weights", {.617748f, .382252f}, 6);
  expect_digits("bank", "large scores", {1000, 999});
  for (const float weight : values_of("bank", "naive weights").span<float>()) {
    EXPECT_EQ(std::isnan(weight), std::isinf(std::exp(1000.0f))) << weight;
  }
  expect_digits("bank", "safe weights", {.7311f, .2689f});
}

TEST(Lessons, Spotlight) {
  expect_digits("spotlight", "scores", {.1f, .9f, .3f, .2f, .1f});
  expect_digits("spotlight", "weights", {.1526f, .3397f, .1864f, .1687f, .1526f});
  expect_digits("spotlight", "sharper weights", {.062f, .681f, .113f, .083f, .062f}, 3);
}

TEST(Lessons, Library) {
  expect_digits("library", "scores", {2, 0, 2});
  expect_digits("library", "weights", {.468311f, .063379f, .468311f}, 6);
  expect_digits("library", "output", {7.08804f, 14.17607f, 21.26411f}, 5);
  expect_digits("library", "scaled weights", {.431937f, .136126f, .431937f}, 6);
  expect_digits("library", "misread weights", {.67f, .09f, .24f}, 2);
}

TEST(Lessons, JourneyWithoutWeights) {
  expect_digits("journey", "scores of word 2", {.9544f, 1.4950f, 1.4754f, .8434f, .7070f, 1.0865f});
  expect_digits("journey", "scores over their sum",
                {.1455f, .2278f, .2249f, .1285f, .1077f, .1656f});
  expect_digits("journey", "weights of word 2", {.1385f, .2379f, .2333f, .1240f, .1082f, .1581f});
  expect_digits("journey", "context of word 2", {.4419f, .6515f, .5683f});
  const Tensor scores = values_of("journey", "scores");
  const std::vector<float> row6 = {.6310f, 1.0865f, 1.0605f, .6565f, .2935f, .9450f};
  for (int64_t i = 0; i < 6; ++i) {
    EXPECT_NEAR(scores.at({5, i}), row6[static_cast<size_t>(i)], 5.1e-5);
  }
  expect_digits("journey", "scores", {.9995f, .9544f, .9422f, .4753f, .4576f, .6310f});
  expect_digits("journey", "weights", {.2098f, .2006f, .1981f, .1242f, .1220f, .1452f});
  expect_digits("journey", "contexts",
                {.4421f, .5931f, .5790f, .4419f, .6515f, .5683f, .4431f, .6496f, .5671f,  //
                 .4304f, .6298f, .5510f, .4671f, .5910f, .5266f, .4177f, .6503f, .5645f});
}

TEST(Lessons, JourneyWithWeights) {
  expect_digits("journey", "W_q", {.2961f, .5166f, .2517f, .6886f, .0740f, .8665f});
  expect_digits("journey", "W_k", {.1366f, .1025f, .1841f, .7264f, .3153f, .6871f});
  expect_digits("journey", "W_v", {.0756f, .1966f, .3164f, .4017f, .1186f, .8274f});
  expect_digits("journey", "query of word 2", {.4306f, 1.4551f});
  expect_digits("journey", "raw scores of word 2",
                {1.2705f, 1.8524f, 1.8111f, 1.0795f, .5577f, 1.5440f});
  expect_digits("journey", "scaled weights of word 2",
                {.1500f, .2264f, .2199f, .1311f, .0906f, .1820f});
  expect_digits("journey", "blended values of word 2", {.3061f, .8210f});
  expect_digits("journey", "trainable contexts",
                {.2996f, .8053f, .3061f, .8210f, .3058f, .8203f,  //
                 .2948f, .7939f, .2927f, .7891f, .2990f, .8040f});
}

TEST(Lessons, JourneyCausal) {
  expect_digits("journey", "linear contexts",
                {-.0739f, .0713f, -.0748f, .0703f, -.0749f, .0702f,  //
                 -.0760f, .0685f, -.0763f, .0679f, -.0754f, .0693f});
  expect_digits("journey", "causal weights", {1,      0,      0,      0,      0,      0,  //
                                              .5517f, .4483f, 0,      0,      0,      0,  //
                                              .3800f, .3097f, .3103f, 0,      0,      0,  //
                                              .2758f, .2460f, .2462f, .2319f, 0,      0,  //
                                              .2175f, .1983f, .1984f, .1888f, .1971f, 0,  //
                                              .1935f, .1663f, .1666f, .1542f, .1666f, .1529f});
  EXPECT_EQ(values_of("journey", "masked scores").at({0, 1}), kHidden);
  expect_digits("journey", "dropout mask", {2, 2, 0, 2, 2, 0, 0, 0, 0, 2, 0, 2});
}

TEST(Lessons, JourneyHeads) {
  expect_digits("journey", "causal module",
                {-.4519f, .2216f, -.5874f, .0058f, -.6300f, -.0632f,  //
                 -.5675f, -.0843f, -.5526f, -.0981f, -.5299f, -.1081f});
  expect_digits("journey", "second head",
                {.4772f, .1063f, .5891f, .3257f, .6202f, .3860f,  //
                 .5478f, .3589f, .5321f, .3428f, .5077f, .3493f});
  expect_digits("journey", "multi-head",
                {.3190f, .4858f, .2943f, .3897f, .2856f, .3593f,  //
                 .2693f, .3873f, .2639f, .3928f, .2575f, .4028f});
}

TEST(Lessons, ScratchAsInNumPy) {
  expect_digits("scratch", "raw scores",
                {-3.5213f, -4.8573f, -5.9499f, 2.2509f, -.7648f, 1.8686f,  //
                 -2.3958f, -5.2396f, -5.0156f});
  expect_digits("scratch", "weights",
                {.5853f, .2707f, .1440f, .5058f, .0887f, .4056f, .7072f, .1369f, .1558f});
  expect_digits("scratch", "output",
                {-1.3033f, 1.5839f, -1.8859f, -1.4420f, 1.9185f, -1.9429f,  //
                 -1.2822f, 1.7897f, -1.6550f});
}

TEST(Lessons, ScratchAsInPyTorch) {
  expect_digits("scratch", "torch weights",
                {.3331f, .2171f, .1850f, .2648f, .1957f, .2569f, .2313f, .3161f,  //
                 .3556f, .2547f, .2574f, .1323f, .1717f, .2685f, .3672f, .1926f});
}

TEST(Lessons, CausalChangesNothingBefore) {
  const Tensor change = values_of("causal", "change");
  for (int64_t t = 0; t < 5; ++t) {
    EXPECT_GT(change.at({t, 0}), 1e-3f);
    EXPECT_EQ(change.at({t, 1}), 0) << t;
  }
  EXPECT_GT(change.at({5, 1}), 1e-3f);
}

TEST(Lessons, TrainingLearnsToLook) {
  const Tensor course = values_of("training", "loss");  // [R, 2]: loss, share right
  const int64_t last = course.size(0) - 1;
  EXPECT_NEAR(course.at({0, 0}), std::log(8.0), 0.1);
  EXPECT_LT(course.at({last, 0}), 0.1);
  EXPECT_EQ(course.at({last, 1}), 1);
  const Tensor match = values_of("training", "match after");
  const Tensor says = values_of("training", "what a pair says after");
  const auto diagonal = [](const char* step) {
    const Tensor says_then = values_of("training", step);
    double sum = 0;
    for (int64_t i = 0; i < 8; ++i) sum += says_then.at({i, i});
    return sum / 8;
  };
  EXPECT_LT(std::abs(diagonal("what a pair says before")), 0.3);
  EXPECT_GT(diagonal("what a pair says during"), 0.5);
  for (int64_t i = 0; i < 8; ++i) {
    for (int64_t j = 0; j < 8; ++j) {
      if (i == j) continue;
      EXPECT_GT(match.at({i, i}), match.at({i, j}) + 2) << i << ", " << j;
      EXPECT_GT(says.at({i, i}), says.at({i, j}) + 2) << i << ", " << j;
    }
  }
}

TEST(Lessons, EveryStepIsComplete) {
  for (const Lesson& lesson : lessons()) {
    std::set<std::string> names;
    bool pictured = false;
    for (const Step& step : lesson.walk()) {
      SCOPED_TRACE(std::string(lesson.name) + " / " + step.name);
      EXPECT_TRUE(names.insert(step.name).second) << "a second step of this name";
      EXPECT_FALSE(step.formula.empty());
      EXPECT_FALSE(step.says.empty());
      ASSERT_EQ(step.values.rank(), 2);
      ASSERT_EQ(step.letters.size(), 3u);
      EXPECT_EQ(static_cast<int64_t>(step.rows.size()), step.values.size(0));
      EXPECT_EQ(static_cast<int64_t>(step.columns.size()), step.values.size(1));
      pictured = pictured || step.heat_map;
    }
    EXPECT_TRUE(pictured) << lesson.name;
  }
}

}  // namespace
}  // namespace heed
