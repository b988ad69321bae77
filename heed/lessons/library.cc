#include <fmt/format.h>

#include "heed/lessons/arithmetic.h"
#include "heed/lessons/catalogue.h"
#include "heed/lessons/step_list.h"
#include "heed/ops/normalization.h"

namespace heed::lessons_internal {

namespace {

struct Library {
  Tensor query = Tensor::from({1, 0, 1}, {1, 3});
  Tensor keys = Tensor::from({1, 0, 1, 0, 1, 0, 1, 1, 1}, {3, 3});
  Tensor values = Tensor::from({10, 20, 30, 1, 2, 3, 5, 10, 15}, {3, 3});
  Labels books = {"book 1", "book 2", "book 3"};
};

void add_question(const StepList& table, const Library& library) {
  const Labels topics = numbered("topic ", 3);
  table("query", "q, what the reader asks for", "T D", library.query, topics,
        "Attention is a look-up in a library: a question (query) is compared with what stands on "
        "the spines (keys).");
  table("keys", "k, what each book says it is about", "S D", library.keys, library.books, topics,
        "Book 1 is about exactly what was asked; book 3 is about that and one thing more; book 2 "
        "is about something else.");
  table("values", "v, what is inside each book", "S E", library.values, library.books,
        numbered("v", 3), "What the reader takes home is not the spine but the content.");
}

void add_answer(const StepList& table, const Library& library, const Attended& raw) {
  table("scores", "s = q . k", "T S", raw.scores, library.books,
        fmt::format("Book 3 scores 1 x 1 + 0 x 1 + 1 x 1 = {:g} as well: a dot product does not "
                    "punish the topic that was not asked for.",
                    raw.scores.at({0, 2})));
  Step& weights = table("weights", "w = softmax(s)", "T S", raw.weights, library.books,
                        "Equal scores, equal weights. A text prints .67 .09 .24 for this example: "
                        "that is wrong, books 1 and 3 cannot differ.");
  weights.decimals = 6;
  weights.heat_map = true;
  table("output", "y = sum over s of w[s] v[s]", "T E", raw.y, numbered("v", 3),
        "No book is picked: the reader goes home with a blend of all three.")
      .decimals = 5;
}

void add_misreading(const StepList& table, const Library& library, const Attended& raw) {
  const Tensor misread = raw.scores.clone();
  misread.at({0, 2}) = 1;
  table("misread weights", "softmax of 2 0 1", "T S", softmax(misread), library.books,
        "These are the text's .67 .09 .24: whoever computed them took the score of book 3 for 1.")
      .section = "Where the wrong numbers come from";
}

void add_scaled(const StepList& table, const Library& library, const Attended& scaled) {
  Step& weights = table("scaled weights", "w = softmax(s / sqrt(D)), D = 3", "T S", scaled.weights,
                        library.books,
                        "Divided by the root of the key size, as models do: the same order, a "
                        "little flatter.");
  weights.section = "Scaled";
  weights.decimals = 6;
  table("scaled output", "y = sum over s of w[s] v[s]", "T E", scaled.y, numbered("v", 3),
        "More of book 2 in the blend, less of the others.")
      .decimals = 5;
}

}  // namespace

std::vector<Step> walk_library() {
  const Library library;
  const Attended raw = attend(library.query, library.keys, library.values, {.scale = 1.0f});
  std::vector<Step> steps;
  const StepList table(steps, {"reader"});
  add_question(table, library);
  add_answer(table, library, raw);
  add_misreading(table, library, raw);
  add_scaled(table, library, attend(library.query, library.keys, library.values, {}));
  return steps;
}

}  // namespace heed::lessons_internal
