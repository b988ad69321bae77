#include <fmt/format.h>

#include <cmath>

#include "heed/lessons/arithmetic.h"
#include "heed/lessons/catalogue.h"
#include "heed/ops/elementwise.h"
#include "heed/ops/linear.h"
#include "heed/ops/normalization.h"

namespace heed::lessons_internal {
namespace {

std::string spell_sum(const Labels& words, const Tensor& weights) {
  std::string text;
  for (size_t i = 0; i < words.size(); ++i) {
    text += fmt::format("{}{:.4f} {}", i == 0 ? "" : " + ",
                        weights.at({0, static_cast<int64_t>(i)}), words[i]);
  }
  return text;
}

void add_sharpening(std::vector<Step>& steps, const Tensor& scores, const Labels& words) {
  const Tensor once = softmax(scores);
  const Tensor sharper = softmax(scale(scores, 3));
  steps.push_back({.section = "Sharpening",
                   .name = "sharper weights",
                   .formula = "w = softmax(3 s)",
                   .letters = "T S",
                   .values = sharper,
                   .rows = {"query"},
                   .columns = words,
                   .says = fmt::format(
                       "A text shows .05 .65 .15 .10 .05 for these five scores. They do not "
                       "follow from them: a difference of {:.1f} between scores makes a ratio "
                       "of exp({:.1f}) = {:.2f} between weights, never 13. Scores three times "
                       "as large come near it.",
                       scores.at({0, 1}) - scores.at({0, 0}), scores.at({0, 1}) - scores.at({0, 0}),
                       once.at({0, 1}) / once.at({0, 0})),
                   .decimals = 3});
  steps.push_back(
      {.name = "from flat to sharp",
       .formula = "w = softmax(a s), a = 0, 1, 3, 10, 30",
       .letters = "R S",
       .values = stack_rows({softmax(scale(scores, 0)), once, sharper, softmax(scale(scores, 10)),
                             softmax(scale(scores, 30))}),
       .rows = {"a = 0", "a = 1", "a = 3", "a = 10", "a = 30"},
       .columns = words,
       .says = "A factor of 0 looks everywhere alike, a large one at a single word. Dividing by "
               "the root of the head size, as models do, keeps the scores out of both corners.",
       .heat_map = true,
       .highest = 1.0f});
}

void add_blend(std::vector<Step>& steps, const Labels& words, const Tensor& weights) {
  const Labels features = {"animal", "action", "place"};
  const Tensor values = Tensor::from({0.1f, 0.1f, 0.1f,  //
                                      0.9f, 0.2f, 0.1f,  //
                                      0.1f, 0.9f, 0.2f,  //
                                      0.1f, 0.2f, 0.4f,  //
                                      0.1f, 0.1f, 0.9f},
                                     {5, 3});
  steps.push_back({.name = "values",
                   .formula = "v, one row a word",
                   .letters = "S E",
                   .values = values,
                   .rows = words,
                   .columns = features,
                   .says = "What each word has to tell. (Made up for this lesson.)"});
  steps.push_back(
      {.name = "weighted values",
       .formula = "w[s] v[s]",
       .letters = "S E",
       .values = map2(values, weights.transpose(0, 1), [](float v, float w) { return v * w; }),
       .rows = words,
       .columns = features,
       .says = "Each row scaled by its word's weight."});
  steps.push_back({.name = "weighted sum",
                   .formula = "y = sum over s of w[s] v[s]",
                   .letters = "T E",
                   .values = matmul(weights, values),
                   .rows = {"query"},
                   .columns = features,
                   .says = "Word by word: " + spell_sum(words, weights) + "."});
}

}  // namespace

std::vector<Step> walk_spotlight() {
  const Labels words = words_of("the cat sat on mat");
  const Tensor scores = Tensor::from({0.1f, 0.9f, 0.3f, 0.2f, 0.1f}, {1, 5});
  const Tensor powers = map(scores, [](float s) { return std::exp(s); });
  const Tensor weights = softmax(scores);

  std::vector<Step> steps;
  steps.push_back({.name = "scores",
                   .formula = "s, given: how well each word answers the query",
                   .letters = "T S",
                   .values = scores,
                   .rows = {"query"},
                   .columns = words,
                   .says = "Five words compete for the light; \"cat\" scores highest."});
  steps.push_back({.name = "powers",
                   .formula = "exp(s)",
                   .letters = "T S",
                   .values = powers,
                   .rows = {"query"},
                   .columns = words,
                   .says = fmt::format("All are positive now, and their sum is {:.4f}.",
                                       row_sums(powers).at({0, 0}))});
  steps.push_back({.name = "weights",
                   .formula = "w = exp(s) / sum exp(s) = softmax(s)",
                   .letters = "T S",
                   .values = weights,
                   .rows = {"query"},
                   .columns = words,
                   .says = "The weights sum to 1. No word is left in the dark: the lowest score "
                           "still gets almost half of what the highest gets.",
                   .heat_map = true});
  add_blend(steps, words, weights);
  add_sharpening(steps, scores, words);
  return steps;
}

}  // namespace heed::lessons_internal
