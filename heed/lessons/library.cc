#include <fmt/format.h>

#include "heed/lessons/arithmetic.h"
#include "heed/lessons/catalogue.h"
#include "heed/ops/normalization.h"

namespace heed::lessons_internal {

std::vector<Step> walk_library() {
  const Tensor query = Tensor::from({1, 0, 1}, {1, 3});
  const Tensor keys = Tensor::from({1, 0, 1, 0, 1, 0, 1, 1, 1}, {3, 3});
  const Tensor values = Tensor::from({10, 20, 30, 1, 2, 3, 5, 10, 15}, {3, 3});
  const Labels books = {"book 1", "book 2", "book 3"};
  const Labels reader = {"reader"};
  const Attended raw = attend(query, keys, values, {.scale = 1.0f});
  const Attended scaled = attend(query, keys, values, {});
  Tensor misread = raw.scores.clone();
  misread.at({0, 2}) = 1;

  std::vector<Step> steps;
  steps.push_back({.name = "query",
                   .formula = "q, what the reader asks for",
                   .letters = "T D",
                   .values = query,
                   .rows = reader,
                   .columns = numbered("topic ", 3),
                   .says = "Attention is a look-up in a library: a question (query) is compared "
                           "with what stands on the spines (keys)."});
  steps.push_back({.name = "keys",
                   .formula = "k, what each book says it is about",
                   .letters = "S D",
                   .values = keys,
                   .rows = books,
                   .columns = numbered("topic ", 3),
                   .says = "Book 1 is about exactly what was asked; book 3 is about that and one "
                           "thing more; book 2 is about something else."});
  steps.push_back({.name = "values",
                   .formula = "v, what is inside each book",
                   .letters = "S E",
                   .values = values,
                   .rows = books,
                   .columns = numbered("v", 3),
                   .says = "What the reader takes home is not the spine but the content."});
  steps.push_back({.name = "scores",
                   .formula = "s = q . k",
                   .letters = "T S",
                   .values = raw.scores,
                   .rows = reader,
                   .columns = books,
                   .says = fmt::format("Book 3 scores 1 x 1 + 0 x 1 + 1 x 1 = {:g} as well: a dot "
                                       "product does not punish the topic that was not asked for.",
                                       raw.scores.at({0, 2}))});
  steps.push_back({.name = "weights",
                   .formula = "w = softmax(s)",
                   .letters = "T S",
                   .values = raw.weights,
                   .rows = reader,
                   .columns = books,
                   .says = "Equal scores, equal weights. A text prints .67 .09 .24 for this "
                           "example: that is wrong, books 1 and 3 cannot differ.",
                   .decimals = 6,
                   .heat_map = true});
  steps.push_back({.name = "output",
                   .formula = "y = sum over s of w[s] v[s]",
                   .letters = "T E",
                   .values = raw.y,
                   .rows = reader,
                   .columns = numbered("v", 3),
                   .says = "No book is picked: the reader goes home with a blend of all three.",
                   .decimals = 5});
  steps.push_back({.section = "Where the wrong numbers come from",
                   .name = "misread weights",
                   .formula = "softmax of 2 0 1",
                   .letters = "T S",
                   .values = softmax(misread),
                   .rows = reader,
                   .columns = books,
                   .says = "These are the text's .67 .09 .24: whoever computed them took the score "
                           "of book 3 for 1."});
  steps.push_back({.section = "Scaled",
                   .name = "scaled weights",
                   .formula = "w = softmax(s / sqrt(D)), D = 3",
                   .letters = "T S",
                   .values = scaled.weights,
                   .rows = reader,
                   .columns = books,
                   .says = "Divided by the root of the key size, as models do: the same order, a "
                           "little flatter.",
                   .decimals = 6});
  steps.push_back({.name = "scaled output",
                   .formula = "y = sum over s of w[s] v[s]",
                   .letters = "T E",
                   .values = scaled.y,
                   .rows = reader,
                   .columns = numbered("v", 3),
                   .says = "More of book 2 in the blend, less of the others.",
                   .decimals = 5});
  return steps;
}

}  // namespace heed::lessons_internal
