#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "heed/lessons/arithmetic.h"
#include "heed/lessons/catalogue.h"
#include "heed/lessons/step_list.h"
#include "heed/ops/elementwise.h"
#include "heed/ops/linear.h"

namespace heed::lessons_internal {
namespace {

constexpr int64_t kTokens = 8;
constexpr int64_t kHeads = 8;
constexpr int64_t kHeadDim = 2;
constexpr int64_t kWidth = kHeads * kHeadDim;
constexpr double kHour = 2 * std::numbers::pi / 12;  // places stand on a clock, one hour apart

// Columns of x: a constant, the place as a hand of the clock, the part of speech, the word itself.
enum Feature { one, cosine, sine, article, noun, verb, pronoun, conjunction, first_word };

struct Sentence {
  Labels words = words_of("the dog chased a cat and it ran");
  std::vector<Feature> kinds = {article, noun, verb, article, noun, conjunction, pronoun, verb};
  Labels features =
      words_of("one cos sin article noun verb pronoun conj. the dog chased a cat and it ran");
};

Tensor word_vectors(const Sentence& sentence) {
  Tensor x = Tensor::zeros({kTokens, kWidth});
  for (int64_t t = 0; t < kTokens; ++t) {
    x.at({t, one}) = 1;
    x.at({t, cosine}) = static_cast<float>(std::cos(kHour * static_cast<double>(t)));
    x.at({t, sine}) = static_cast<float>(std::sin(kHour * static_cast<double>(t)));
    x.at({t, sentence.kinds[static_cast<size_t>(t)]}) = 1;
    x.at({t, first_word + t}) = 1;
  }
  return x;
}

struct Weights {
  Tensor query = Tensor::zeros({kWidth, kWidth});
  Tensor key = Tensor::zeros({kWidth, kWidth});
  Tensor value = Tensor::zeros({kWidth, kWidth});
};

// Head h asks for the place `hours` later: the query is its own place turned by that much.
void ask_for_place(Weights& w, int64_t h, int hours) {
  constexpr double kSharpness = 40;
  const auto turn_cos = static_cast<float>(kSharpness * std::cos(kHour * hours));
  const auto turn_sin = static_cast<float>(kSharpness * std::sin(kHour * hours));
  const int64_t c = h * kHeadDim;
  w.query.at({cosine, c}) = turn_cos;
  w.query.at({sine, c}) = -turn_sin;
  w.query.at({cosine, c + 1}) = turn_sin;
  w.query.at({sine, c + 1}) = turn_cos;
  w.key.at({cosine, c}) = 1;
  w.key.at({sine, c + 1}) = 1;
}

// Words with the feature `who` ask for words with the feature `whom`.
void ask_for_kind(Weights& w, int64_t h, Feature who, Feature whom) {
  constexpr float kSharpness = 8;
  w.query.at({who, h * kHeadDim}) = kSharpness;
  w.key.at({whom, h * kHeadDim}) = 1;
}

// Every head answers the same: how much noun, how much verb it saw.
Weights weights() {
  Weights w;
  ask_for_place(w, 0, -1);
  ask_for_place(w, 1, 1);
  ask_for_place(w, 2, 0);
  w.query.at({one, 3 * kHeadDim}) = 40;  // a hand that always points at the first place
  w.key.at({cosine, 3 * kHeadDim}) = 1;
  ask_for_kind(w, 4, one, noun);
  ask_for_kind(w, 5, one, verb);
  ask_for_kind(w, 6, pronoun, noun);
  for (int64_t h = 0; h < kHeads; ++h) {
    w.value.at({noun, h * kHeadDim}) = 1;
    w.value.at({verb, h * kHeadDim + 1}) = 1;
  }
  return w;
}

const Labels& jobs() {
  static const Labels names = {"before", "after", "itself",   "first",
                               "nouns",  "verbs", "it->noun", "idle"};
  return names;
}

const Labels& job_texts() {
  static const Labels texts = {
      "Looks at the word before. The first word has none before it and finds itself nearest.",
      "Looks at the word after.",
      "Looks at itself.",
      "Looks at the first word, whoever asks: such a column is common in trained models.",
      "Looks at nouns, half at each.",
      "Looks at verbs, half at each.",
      "Only \"it\" has a question here: it looks for what it may stand for. All other words have "
      "no preference.",
      "Asks nothing: all scores are 0, so it takes the mean of the sentence."};
  return texts;
}

Labels head_columns(const char* letter) {
  Labels names;
  for (int64_t i = 0; i < kWidth; ++i) {
    names.push_back(fmt::format("h{} {}{}", i / kHeadDim + 1, letter, i % kHeadDim + 1));
  }
  return names;
}

// All heat maps of the lesson share one scale, so that heads can be compared.
void as_picture(Step& step) {
  step.heat_map = true;
  step.highest = 1;
}

void add_eight(const StepList& table, const Sentence& text, const AttentionOutputs& eight) {
  for (int64_t h = 0; h < kHeads; ++h) {
    Step& added = table(fmt::format("head {}: {}", h + 1, jobs()[static_cast<size_t>(h)]),
                        "A = softmax(Q_h K_h^T / sqrt(2))", "T S",
                        eight.weights.select(0, 0).select(0, h).contiguous(), text.words,
                        job_texts()[static_cast<size_t>(h)]);
    as_picture(added);
    if (h == 0) added.section = "Eight heads of size 2";
  }
  constexpr int64_t kIt = 6;
  as_picture(table("what \"it\" sees", "row \"it\" of each head", "H S",
                   eight.weights.select(0, 0).select(1, kIt).contiguous(), jobs(), text.words,
                   "One word, eight views at once: its neighbours, itself, the start, the "
                   "nouns and verbs, and what it may stand for."));
  table("what \"it\" learns", "y_h = A_h V_h, row \"it\"", "H E",
        eight.y.select(0, 0).select(1, kIt).contiguous(), jobs(), {"noun", "verb"},
        "Each head reports how much noun and verb it saw; the eight answers stay "
        "apart, side by side, for the output projection to use.");
}

void add_one(const StepList& table, const Sentence& text, const AttentionOutputs& eight,
             const Attended& one_head) {
  Tensor sum = eight.scores.select(0, 0).select(0, 0);
  for (int64_t h = 1; h < kHeads; ++h) sum = add(sum, eight.scores.select(0, 0).select(0, h));
  // each head divided by sqrt(2) where the one head divides by sqrt(16)
  sum = scale(sum, std::sqrt(2.0f) / 4.0f);
  table("sum of the eight scores", "sum over h of Q_h K_h^T / sqrt(16)", "T S", sum, text.words,
        text.words, "A dot product over 16 numbers is the sum of eight dot products over 2.")
      .section = "One head of size 16, with the same matrices";
  table("one head's scores", "Q K^T / sqrt(16)", "T S", one_head.scores, text.words,
        "The same numbers: the one head adds all eight questions before it "
        "looks.");
  as_picture(table(
      "one head's weights", "A = softmax(Q K^T / sqrt(16))", "T S", one_head.weights, text.words,
      fmt::format("One softmax for everything: the loudest question wins and the rest drown. "
                  "\"it\" gives the noun \"dog\" {:.4f} here, and {:.2f} in head 7. As many "
                  "weights, as many products, one view instead of eight.",
                  one_head.weights.at({6, 1}), eight.weights.at({0, 6, 6, 1}))));
}

}  // namespace

std::vector<Step> walk_heads() {
  const Sentence text;
  const Weights w = weights();
  const Tensor x = word_vectors(text);
  const Tensor q = matmul(x, w.query);
  const Tensor k = matmul(x, w.key);
  const Tensor v = matmul(x, w.value);
  const AttentionOutputs eight =
      attention_outputs(split_heads(q, kHeads), split_heads(k, kHeads), split_heads(v, kHeads), {},
                        {.weights = true, .scores = true});
  std::vector<Step> steps;
  const StepList table(steps, text.words);
  table("x", "X: a constant, the place on a clock, the kind, the word", "T C", x, text.features,
        "Vectors made so that one can read them: the place of a word is a hand on "
        "a clock of 12 hours.");
  table("queries", "Q = X W_q, 8 heads x 2 columns", "T C", q, head_columns("q"),
        "Head 1 turns each hand back by an hour, head 2 forward: a question for a "
        "neighbour. Heads 5 to 7 ask for a kind of word.");
  table("keys", "K = X W_k", "S C", k, head_columns("k"),
        "Each word answers with its place, or with its kind.");
  table("values", "V = X W_v", "S C", v, head_columns("v"),
        "Every head passes on the same two facts: is it a noun, is it a verb.");
  add_eight(table, text, eight);
  add_one(table, text, eight, attend(q, k, v, {}));
  return steps;
}

}  // namespace heed::lessons_internal
