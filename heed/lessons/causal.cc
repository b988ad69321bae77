#include <fmt/format.h>

#include <cmath>

#include "heed/lessons/arithmetic.h"
#include "heed/lessons/catalogue.h"
#include "heed/lessons/journey.h"
#include "heed/lessons/step_list.h"

namespace heed::lessons_internal {
namespace {

// Largest absolute difference of each row: [T, 1].
Tensor row_changes(const Tensor& before, const Tensor& after) {
  const Tensor gaps = map2(before, after, [](float a, float b) { return std::abs(a - b); });
  Tensor changes = Tensor::empty({gaps.size(0), 1});
  for (int64_t t = 0; t < gaps.size(0); ++t) {
    changes.at({t, 0}) = gaps.at({t, largest(gaps.select(0, t))});
  }
  return changes;
}

struct Sentence {
  Labels words;
  Tensor x;  // [6, 4]
};

// "the" is the same vector both times; the two sentences differ in their last word alone.
std::pair<Sentence, Sentence> sentences(TorchRandom& random) {
  const Tensor table = randn(random, {6, 4});  // the cat sat on mat moon
  const auto rows = [&](std::initializer_list<int64_t> ids) {
    std::vector<Tensor> parts;
    for (const int64_t id : ids) parts.push_back(table.slice(0, id, id + 1));
    return stack_rows(parts);
  };
  return {{words_of("the cat sat on the mat"), rows({0, 1, 2, 3, 0, 4})},
          {words_of("the cat sat on the moon"), rows({0, 1, 2, 3, 0, 5})}};
}

}  // namespace

std::vector<Step> walk_causal() {
  TorchRandom random(1);
  const auto [mat, moon] = sentences(random);
  TorchRandom weights_random(2);
  const Projected a = project_linear(weights_random, mat.x, 4);
  weights_random = TorchRandom(2);
  const Projected b = project_linear(weights_random, moon.x, 4);
  const AttentionOptions causal = {.mask = Mask::causal(Align::top_left)};
  const Attended open_a = attend(a.q, a.k, a.v, {});
  const Attended open_b = attend(b.q, b.k, b.v, {});
  const Attended causal_a = attend(a.q, a.k, a.v, causal);
  const Attended causal_b = attend(b.q, b.k, b.v, causal);
  const Tensor cut = map2(open_a.weights, causal_a.weights,
                          [](float open, float kept) { return kept > 0 ? open : 0.0f; });

  std::vector<Step> steps;
  const StepList table(steps, mat.words);
  const Labels dims = numbered("y", 4);
  table("x", "X = torch.randn, seed 1, one vector a word", "T C", mat.x, numbered("x", 4),
        "Both \"the\" are the same vector.");
  table("scores", "S = Q K^T / sqrt(D), nn.Linear(4, 4) x 3, seed 2", "T S", open_a.scores,
        mat.words, "Without a mask each word scores all others, also those to come.");
  table("masked scores", "S[t, s] = -inf where s > t", "T S", causal_a.scores, mat.words,
        "The future is hidden before the softmax.");
  table("weights", "A = softmax(S)", "T S", causal_a.weights, mat.words,
        "Each row shares 1 among the words up to its own.");
  steps.back().heat_map = true;
  table("masked too late", "softmax first, then 0 where s > t", "T S", cut, mat.words,
        "Hiding after the softmax leaves rows that sum to less than 1: the hidden words have "
        "already taken their share. Dividing each row by its sum gives the weights above.");
  table("row sums", "sum over s, masked too late and in time", "T R",
        stack_columns({row_sums(cut), row_sums(causal_a.weights)}), {"too late", "in time"},
        "Only the second column is what a softmax promises.");
  table("outputs", "Y = A V, last word \"mat\"", "T E", causal_a.y, dims,
        "Now the last word becomes \"moon\".");
  steps.back().section = "A future word changes nothing before it";
  table("outputs with moon", "Y = A V, last word \"moon\"", "T E", causal_b.y, dims,
        "Compare with the table above: only the last row differs.");
  const Tensor changes =
      stack_columns({row_changes(open_a.y, open_b.y), row_changes(causal_a.y, causal_b.y)});
  const Tensor earlier = changes.slice(0, 0, 5).select(1, 1);
  table("change", "largest |Y with moon - Y with mat| of each row", "T R", changes,
        {"no mask", "causal"},
        fmt::format("Without a mask every word notices the change. With it the first five rows "
                    "change by exactly {:g}, not by a rounding error: what a model has computed "
                    "for a text stays valid when the text goes on. That is what makes a key/value "
                    "cache possible.",
                    earlier.at({largest(earlier)})));
  return steps;
}

}  // namespace heed::lessons_internal
