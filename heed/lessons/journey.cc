#include "heed/lessons/journey.h"

#include <fmt/format.h>

#include "heed/lessons/catalogue.h"
#include "heed/ops/linear.h"

namespace heed::lessons_internal {

Journey journey() {
  return {words_of("Your journey starts with one step"), Tensor::from({0.43f, 0.15f, 0.89f,  //
                                                                       0.55f, 0.87f, 0.66f,  //
                                                                       0.57f, 0.85f, 0.64f,  //
                                                                       0.22f, 0.58f, 0.33f,  //
                                                                       0.77f, 0.25f, 0.10f,  //
                                                                       0.05f, 0.80f, 0.55f},
                                                                      {6, 3})};
}

Projected project_linear(TorchRandom& random, const Tensor& x, int64_t outputs) {
  Projected result;
  for (Tensor* part : {&result.q, &result.k, &result.v}) {
    *part = PackedLinear(linear_weight(random, x.size(1), outputs), {})(x);
  }
  return result;
}

namespace {

constexpr int64_t kWord = 1;  // "journey", the word that is followed

Tensor row(const Tensor& table) { return table.slice(0, kWord, kWord + 1).contiguous(); }

void add_one_word(std::vector<Step>& steps, const Journey& sentence, const Attended& found) {
  const Tensor scores = row(found.scores);
  const Labels word = {sentence.words[kWord]};
  steps.push_back({.section = "Without trainable weights",
                   .name = "x",
                   .formula = "X, one row a word",
                   .letters = "T C",
                   .values = sentence.x,
                   .rows = sentence.words,
                   .columns = numbered("x", 3),
                   .says = "Six words, three numbers each. The walk follows word 2, \"journey\"."});
  steps.push_back({.name = "scores of word 2",
                   .formula = "s = x2 . x",
                   .letters = "T S",
                   .values = scores,
                   .rows = word,
                   .columns = sentence.words,
                   .says = "How alike \"journey\" and each word are, itself included."});
  steps.push_back(
      {.name = "scores over their sum",
       .formula = "s / sum s",
       .letters = "T S",
       .values = map2(scores, row_sums(scores), [](float s, float sum) { return s / sum; }),
       .rows = word,
       .columns = sentence.words,
       .says = "The simplest way to shares of 1; it breaks as soon as a score is "
               "negative."});
  steps.push_back({.name = "weights of word 2",
                   .formula = "w = softmax(s)",
                   .letters = "T S",
                   .values = row(found.weights),
                   .rows = word,
                   .columns = sentence.words,
                   .says = "Softmax gives shares of 1 for any scores."});
  steps.push_back({.name = "context of word 2",
                   .formula = "y = sum over s of w[s] x[s]",
                   .letters = "T C",
                   .values = row(found.y),
                   .rows = word,
                   .columns = numbered("y", 3),
                   .says = "\"journey\" with something of every word around it."});
}

void add_all_words(std::vector<Step>& steps, const Journey& sentence, const Attended& found) {
  steps.push_back({.name = "scores",
                   .formula = "S = X X^T",
                   .letters = "T S",
                   .values = found.scores,
                   .rows = sentence.words,
                   .columns = sentence.words,
                   .says = "All pairs at once. Without weights the table is symmetric: x . y = "
                           "y . x."});
  steps.push_back({.name = "weights",
                   .formula = "A = softmax(S), row by row",
                   .letters = "T S",
                   .values = found.weights,
                   .rows = sentence.words,
                   .columns = sentence.words,
                   .says = "Rows sum to 1, columns do not: \"journey\" and \"starts\" are long "
                           "vectors, so everybody looks at them.",
                   .heat_map = true});
  steps.push_back({.name = "contexts",
                   .formula = "Y = A X",
                   .letters = "T C",
                   .values = found.y,
                   .rows = sentence.words,
                   .columns = numbered("y", 3),
                   .says = "Six context vectors. They are far more alike than the words were: "
                           "blending smooths."});
}

void add_matrix(std::vector<Step>& steps, std::string name, const char* formula,
                const Tensor& matrix, std::string says) {
  steps.push_back({.name = std::move(name),
                   .formula = formula,
                   .letters = "C D",
                   .values = matrix,
                   .rows = numbered("x", matrix.size(0)),
                   .columns = numbered("", matrix.size(1)),
                   .says = std::move(says)});
}

void add_matrices(std::vector<Step>& steps, const Tensor& w_query, const Tensor& w_key,
                  const Tensor& w_value) {
  add_matrix(steps, "W_q", "W_q = torch.rand(3, 2), seed 123", w_query,
             "Makes queries: what a word asks for. These numbers are what training changes.");
  steps.back().section = "With trainable weights";
  add_matrix(steps, "W_k", "W_k, drawn next", w_key, "Makes keys: what a word answers to.");
  add_matrix(steps, "W_v", "W_v, drawn last", w_value, "Makes values: what a word passes on.");
}

void add_trainable(std::vector<Step>& steps, const Journey& sentence) {
  TorchRandom random(123);
  const Tensor w_query = rand(random, {3, 2});
  const Tensor w_key = rand(random, {3, 2});
  const Tensor w_value = rand(random, {3, 2});
  const Tensor q = matmul(sentence.x, w_query);
  const Tensor k = matmul(sentence.x, w_key);
  const Tensor v = matmul(sentence.x, w_value);
  const Attended raw = attend(q, k, v, {.scale = 1.0f});
  const Attended found = attend(q, k, v, {});
  const Labels word = {sentence.words[kWord]};

  add_matrices(steps, w_query, w_key, w_value);
  steps.push_back({.name = "query of word 2",
                   .formula = "q2 = x2 W_q",
                   .letters = "T D",
                   .values = row(q),
                   .rows = word,
                   .columns = numbered("q", 2),
                   .says = "Three numbers become two: the head has its own, smaller space."});
  steps.push_back({.name = "keys",
                   .formula = "K = X W_k",
                   .letters = "S D",
                   .values = k,
                   .rows = sentence.words,
                   .columns = numbered("k", 2),
                   .says = "Each word's answer to the question \"do you have what I ask for?\""});
  steps.push_back({.name = "values",
                   .formula = "V = X W_v",
                   .letters = "S E",
                   .values = v,
                   .rows = sentence.words,
                   .columns = numbered("v", 2),
                   .says = "What each word will add to those who look at it."});
  steps.push_back({.name = "raw scores of word 2",
                   .formula = "s = q2 . k",
                   .letters = "T S",
                   .values = row(raw.scores),
                   .rows = word,
                   .columns = sentence.words,
                   .says = "Query against key: no longer symmetric, because who asks and who "
                           "answers use different matrices."});
  steps.push_back({.name = "scaled weights of word 2",
                   .formula = "w = softmax(s / sqrt(D)), D = 2",
                   .letters = "T S",
                   .values = row(found.weights),
                   .rows = word,
                   .columns = sentence.words,
                   .says = "The root of the key size keeps the softmax from saturating when "
                           "vectors get longer."});
  steps.push_back({.name = "blended values of word 2",
                   .formula = "y = sum over s of w[s] v[s]",
                   .letters = "T E",
                   .values = row(found.y),
                   .rows = word,
                   .columns = numbered("y", 2),
                   .says = "The blend of values, not of the words themselves."});
  steps.push_back({.name = "trainable contexts",
                   .formula = "Y = softmax(Q K^T / sqrt(D)) V",
                   .letters = "T E",
                   .values = found.y,
                   .rows = sentence.words,
                   .columns = numbered("y", 2),
                   .says = "All six in one call of the attention operator."});
}

}  // namespace

std::vector<Step> walk_journey() {
  const Journey sentence = journey();
  const Attended plain = attend(sentence.x, sentence.x, sentence.x, {.scale = 1.0f});
  std::vector<Step> steps;
  add_one_word(steps, sentence, plain);
  add_all_words(steps, sentence, plain);
  add_trainable(steps, sentence);
  add_causal_steps(steps, sentence);
  add_head_steps(steps, sentence);
  return steps;
}

}  // namespace heed::lessons_internal
