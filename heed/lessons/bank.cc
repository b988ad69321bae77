#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "heed/lessons/arithmetic.h"
#include "heed/lessons/catalogue.h"
#include "heed/lessons/step_list.h"
#include "heed/ops/normalization.h"

namespace heed::lessons_internal {
namespace {

std::string spell_dot(const Tensor& a, const Tensor& b) {
  return fmt::format("{:g} x {:g} + {:g} x {:g}", a.at({0, 0}), b.at({0, 0}), a.at({0, 1}),
                     b.at({0, 1}));
}

// What softmax must not do: exp of the scores as they are. exp(1000) is infinite in f32.
Tensor naive_softmax(const Tensor& scores) {
  const Tensor powers = map(scores, [](float s) { return std::exp(s); });
  return map2(powers, row_sums(powers), [](float p, float sum) { return p / sum; });
}

void add_overflow_steps(std::vector<Step>& steps) {
  const Tensor large = Tensor::from({1000, 999}, {1, 2});
  const Labels keys = {"river", "money"};
  const StepList table(steps, {"bank"});
  const Tensor shifted = map(large, [](float s) { return s - 1000; });
  table("large scores", "s, as a model with large vectors may have it", "T S", large, keys,
        "Only the difference of scores should matter, and here it is 1.")
      .section = "Why softmax subtracts the maximum";
  table("naive weights", "w = exp(s) / sum exp(s)", "T S", naive_softmax(large), keys,
        "exp(1000) does not fit into a float: infinity divided by infinity is "
        "nan, not a number, and it would spread through the whole model.");
  table("shifted scores", "s - max(s)", "T S", shifted, keys,
        "The same factor exp(-max) above and below the line cancels, so the "
        "weights stay what they should be; the largest power is now exp(0) = "
        "1.");
  table("safe weights", "w = exp(s - max(s)) / sum exp(s - max(s))", "T S", softmax(large), keys,
        "Every softmax and every attention kernel of Heed computes it this "
        "way.");
}

}  // namespace

std::vector<Step> walk_bank() {
  const Tensor vectors = Tensor::from({0.9f, 0.1f, 0.8f, 0.2f, 0.1f, 0.9f}, {3, 2});
  const Tensor query = vectors.slice(0, 1, 2);
  const Tensor keys = stack_rows({vectors.slice(0, 0, 1), vectors.slice(0, 2, 3)});
  const Labels seen = {"river", "money"};
  const Attended found = attend(query, keys, keys, {.scale = 1.0f});
  const float river = found.weights.at({0, 0});
  const float money = found.weights.at({0, 1});

  std::vector<Step> steps;
  steps.push_back({.name = "vectors",
                   .formula = "x, one row a word",
                   .letters = "T C",
                   .values = vectors,
                   .rows = {"river", "bank", "money"},
                   .columns = {"nature", "finance"},
                   .says = "A word is a list of numbers. These two say how much it has to do with "
                           "nature and with finance."});
  steps.push_back(
      {.name = "scores",
       .formula = "s = q . k, one number for a pair of words",
       .letters = "T S",
       .values = found.scores,
       .rows = {"bank"},
       .columns = seen,
       .says = fmt::format("bank . river = {} = {:.2f}; bank . money = {} = {:.2f}. "
                           "Vectors that point the same way score high.",
                           spell_dot(query, keys.slice(0, 0, 1)), found.scores.at({0, 0}),
                           spell_dot(query, keys.slice(0, 1, 2)), found.scores.at({0, 1}))});
  steps.push_back({.name = "weights",
                   .formula = "w = softmax(s) = exp(s) / sum exp(s)",
                   .letters = "T S",
                   .values = found.weights,
                   .rows = {"bank"},
                   .columns = seen,
                   .says = fmt::format(
                       "Scores become shares of 1. Often printed as {:.2f} and {:.2f}, which "
                       "cuts the digits off; rounded they are {:.2f} and {:.2f}.",
                       std::floor(river * 100) / 100, std::floor(money * 100) / 100, river, money),
                   .decimals = 6,
                   .heat_map = true});
  steps.push_back({.name = "context",
                   .formula = "y = sum over s of w[s] x[s]",
                   .letters = "T C",
                   .values = found.y,
                   .rows = {"bank"},
                   .columns = {"nature", "finance"},
                   .says = fmt::format("The new vector of \"bank\": {:.2f} of river and {:.2f} of "
                                       "money. The word beside it decides which bank is meant.",
                                       river, money)});
  add_overflow_steps(steps);
  return steps;
}

}  // namespace heed::lessons_internal
