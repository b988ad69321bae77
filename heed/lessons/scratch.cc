#include <fmt/format.h>

#include "heed/lessons/arithmetic.h"
#include "heed/lessons/catalogue.h"
#include "heed/lessons/step_list.h"
#include "heed/ops/elementwise.h"
#include "heed/ops/linear.h"

namespace heed::lessons_internal {
namespace {

Tensor numpy_randn(NumpyRandom& random, const Shape& shape) {
  Tensor result = Tensor::empty(shape);
  for (float& x : result.span<float>()) x = static_cast<float>(random.randn());
  return result;
}

Step weight_step(std::string name, std::string formula, Tensor values, std::string says) {
  const int64_t inputs = values.size(0);
  const int64_t outputs = values.size(1);
  return {.name = std::move(name),
          .formula = std::move(formula),
          .letters = "C D",
          .values = std::move(values),
          .rows = numbered("x", inputs),
          .columns = numbered("", outputs),
          .says = std::move(says)};
}

void add_numpy_listing(std::vector<Step>& steps) {
  const Labels words = words_of("I love AI");
  NumpyRandom random(42);
  const Tensor x = Tensor::from({1, 0, 1, 0, 0, 2, 0, 2, 1, 1, 1, 1}, {3, 4});
  const Tensor w_query = numpy_randn(random, {4, 3});
  const Tensor w_key = numpy_randn(random, {4, 3});
  const Tensor w_value = numpy_randn(random, {4, 3});
  const Tensor q = matmul(x, w_query);
  const Tensor k = matmul(x, w_key);
  const Tensor v = matmul(x, w_value);
  const Attended raw = attend(q, k, v, {.scale = 1.0f});
  const Attended head = attend(q, k, v, {});

  const StepList table(steps, words);
  table("x", "X, given", "T C", x, numbered("x", 4),
        "Three words, four numbers each, as the listing has them.");
  steps.front().section = "As in a NumPy listing";
  steps.push_back(weight_step("w_query", "W_q = RandomState(42).randn(4, 3)", w_query,
                              "The first matrix, for queries."));
  steps.push_back(weight_step("w_key", "W_k, drawn next", w_key, "The second matrix, for keys."));
  steps.push_back(weight_step("w_value", "W_v, drawn last", w_value,
                              "The third, for values. Training would shape "
                              "all three; here they are noise, and the arithmetic is the same."));
  table("queries", "Q = X W_q", "T D", q, numbered("q", 3), "What each word asks for.");
  table("keys", "K = X W_k", "T D", k, numbered("k", 3), "What each word answers to.");
  table("values", "V = X W_v", "T E", v, numbered("v", 3), "What each word has to tell.");
  table("raw scores", "Q K^T", "T S", raw.scores, words,
        "Row: who looks. Column: who is looked at.");
  table("scaled scores", "Q K^T / sqrt(3)", "T S", head.scores, words,
        "Divided by the root of the key size, so that longer vectors do not sharpen the softmax.");
  table("weights", "A = softmax(Q K^T / sqrt(3))", "T S", head.weights, words,
        "Each row sums to 1. Even untrained, each word prefers \"I\": random numbers have tastes.");
  steps.back().heat_map = true;
  table("output", "A V", "T E", head.y, numbered("y", 3),
        "Three words in, three vectors out, each a blend of the rows of V.");
}

void add_torch_listing(std::vector<Step>& steps) {
  const Labels words = words_of("The cat sat down");
  TorchRandom random(42);
  const Tensor x = randn(random, {4, 8});
  Tensor weights[4];
  for (Tensor& weight : weights) weight = linear_weight(random, 8, 8);
  const Tensor q = PackedLinear(weights[0], {})(x);
  const Tensor k = PackedLinear(weights[1], {})(x);
  const Tensor v = PackedLinear(weights[2], {})(x);
  const Attended head = attend(q, k, v, {});

  steps.push_back({.section = "As in a PyTorch listing",
                   .name = "torch x",
                   .formula = "torch.manual_seed(42); x = torch.randn(1, 4, 8)",
                   .letters = "T C",
                   .values = x,
                   .rows = words,
                   .columns = numbered("x", 8),
                   .says = "The same in PyTorch's numbers; its four Linear(8, 8) without bias are "
                           "drawn next, in the order q, k, v, out."});
  steps.push_back({.name = "torch scores",
                   .formula = "Q K^T / sqrt(8)",
                   .letters = "T S",
                   .values = head.scores,
                   .rows = words,
                   .columns = words,
                   .says = "nn.Linear draws small weights, so the scores are small too."});
  steps.push_back({.name = "torch weights",
                   .formula = "softmax(Q K^T / sqrt(8))",
                   .letters = "T S",
                   .values = head.weights,
                   .rows = words,
                   .columns = words,
                   .says = "Small scores give an almost even look at all four words.",
                   .heat_map = true});
  steps.push_back({.name = "torch output",
                   .formula = "out(A V)",
                   .letters = "T C",
                   .values = PackedLinear(weights[3], {})(head.y),
                   .rows = words,
                   .columns = numbered("y", 8),
                   .says = "The fourth matrix brings the blend back to the width of the model."});
}

}  // namespace

std::vector<Step> walk_scratch() {
  std::vector<Step> steps;
  add_numpy_listing(steps);
  add_torch_listing(steps);
  return steps;
}

}  // namespace heed::lessons_internal
