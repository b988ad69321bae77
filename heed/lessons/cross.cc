#include <fmt/format.h>

#include "heed/lessons/arithmetic.h"
#include "heed/lessons/catalogue.h"
#include "heed/lessons/step_list.h"
#include "heed/ops/elementwise.h"

namespace heed::lessons_internal {
namespace {

constexpr int64_t kWidth = 8;

// A word and its translation share a concept and differ by a little noise, as training arranges it.
struct Sentences {
  Labels english = words_of("the black cat is sleeping");
  Labels french = words_of("le chat noir dort");
  Tensor x;  // [5, 8]
  Tensor z;  // [4, 8]
};

Sentences sentences() {
  Sentences result;
  TorchRandom random(42);
  const Tensor concepts = randn(random, {5, kWidth});
  const auto concept_row = [&](int64_t i) { return concepts.slice(0, i, i + 1); };
  result.x = add(concepts, scale(randn(random, {5, kWidth}), 0.3f));
  result.z = add(stack_rows({concept_row(0), concept_row(2), concept_row(1), concept_row(4)}),
                 scale(randn(random, {4, kWidth}), 0.3f));
  return result;
}

std::string best_matches(const Sentences& text, const Tensor& weights) {
  std::string result;
  for (const int64_t word : {1, 2, 4}) {
    const int64_t match = largest(weights.select(0, word));
    result += fmt::format("{}{} -> {} ({:.2f})", result.empty() ? "" : ", ",
                          text.english[static_cast<size_t>(word)],
                          text.french[static_cast<size_t>(match)], weights.at({word, match}));
  }
  return result;
}

}  // namespace

std::vector<Step> walk_cross() {
  const Sentences text = sentences();
  const Attended self = attend(text.x, text.x, text.x, {});
  const Attended cross = attend(text.x, text.z, text.z, {});
  const Labels dims = numbered("", kWidth);
  std::vector<Step> steps;
  const StepList table(steps, text.english);
  table("english", "X = concept + 0.3 noise, torch seed 42", "T C", text.x, text.english, dims,
        "Made vectors: a word and its translation share a concept and differ by noise, which is "
        "what training brings about.");
  steps.back().section = "Two sentences";
  table("french", "Z = concept + 0.3 noise", "S C", text.z, text.french, dims,
        "The adjective stands after the noun here, and nothing stands for \"is\".");
  table("self scores", "S = X X^T / sqrt(D)", "T S", self.scores, text.english, text.english,
        "Queries, keys and values all come from the English sentence.");
  steps.back().section = "Self-attention: a sentence looks at itself";
  table("self weights", "A = softmax(S)", "T S", self.weights, text.english, text.english,
        "A square table: T words look at the same T words.");
  steps.back().heat_map = true;
  table("self context", "Y = A X", "T E", self.y, text.english, dims,
        "English words blended with English words.");
  table("cross scores", "S = X Z^T / sqrt(D)", "T S", cross.scores, text.english, text.french,
        "Queries still come from English; keys and values now come from French.");
  steps.back().section = "Cross-attention: one sentence looks at another";
  table("cross weights", "A = softmax(S)", "T S", cross.weights, text.english, text.french,
        "No longer square, and a translation table: " + best_matches(text, cross.weights) +
            ". The word order crosses over, and attention does not mind.");
  steps.back().heat_map = true;
  table("cross context", "Y = A Z", "T E", cross.y, text.english, dims,
        "As many rows as queries, each a blend of French words. The operator is the same; only "
        "where keys and values come from has changed.");
  return steps;
}

}  // namespace heed::lessons_internal
