#include <fmt/format.h>

#include <cmath>

#include "heed/lessons/arithmetic.h"
#include "heed/lessons/catalogue.h"
#include "heed/lessons/stack.h"
#include "heed/lessons/step_list.h"
#include "heed/ops/activation.h"
#include "heed/ops/elementwise.h"
#include "heed/ops/linear.h"
#include "heed/ops/normalization.h"

namespace heed::lessons_internal {
namespace {

constexpr int64_t kWidth = 8;
constexpr int64_t kInner = 16;
constexpr int64_t kHeads = 2;
constexpr float kEpsilon = 1e-5f;

PackedLinear draw_linear(TorchRandom& random, int64_t inputs, int64_t outputs) {
  const Tensor weight = linear_weight(random, inputs, outputs);
  return {weight, linear_bias(random, inputs, outputs)};
}

// Mean and standard deviation of each row: [T, 2].
Tensor mean_and_deviation(const Tensor& x) {
  const auto width = static_cast<float>(x.size(1));
  const Tensor mean = scale(row_sums(x), 1 / width);
  const Tensor squares = map2(x, mean, [](float a, float m) { return (a - m) * (a - m); });
  const Tensor deviation =
      map(row_sums(squares), [width](float sum) { return std::sqrt(sum / width); });
  return stack_columns({mean, deviation});
}

void add_block_steps(std::vector<Step>& steps) {
  const Labels words = words_of("the cat sat down");
  TorchRandom random(42);
  const Tensor x = randn(random, {4, kWidth});
  const PackedLinear query = draw_linear(random, kWidth, kWidth);
  const PackedLinear key = draw_linear(random, kWidth, kWidth);
  const PackedLinear value = draw_linear(random, kWidth, kWidth);
  const PackedLinear output = draw_linear(random, kWidth, kWidth);
  const PackedLinear widen = draw_linear(random, kWidth, kInner);
  const PackedLinear narrow = draw_linear(random, kInner, kWidth);
  const Tensor gain = Tensor::full({kWidth}, 1);
  const Tensor bias = Tensor::zeros({kWidth});

  const AttentionOutputs heads =
      attention_outputs(split_heads(query(x), kHeads), split_heads(key(x), kHeads),
                        split_heads(value(x), kHeads), {}, {.weights = true});
  const Tensor attended = output(heads.y.transpose(1, 2).reshape({4, kWidth}));
  const Tensor sum = add(x, attended);
  const Tensor normed = layer_norm(sum, gain, bias, kEpsilon);
  const Tensor inner = activate(widen(normed), Activation::relu);
  const Tensor fed = narrow(inner);
  const Tensor sum2 = add(normed, fed);
  const Tensor result = layer_norm(sum2, gain, bias, kEpsilon);
  int64_t asleep = 0;
  for (const float h : inner.span<float>()) asleep += h == 0 ? 1 : 0;

  const StepList table(steps, words);
  const Labels dims = numbered("", kWidth);
  table("x", "X = torch.randn(4, 8), seed 42; then Linear q k v o, W1, W2", "T C", x, dims,
        "Four words enter the block.");
  steps.back().section = "One block: Output = LayerNorm(x + Sublayer(x)), twice";
  for (int64_t h = 0; h < kHeads; ++h) {
    table(fmt::format("weights of head {}", h + 1), "A_h = softmax(Q_h K_h^T / sqrt(4))", "T S",
          heads.weights.select(0, 0).select(0, h).contiguous(), words,
          "First sublayer: the words look at each other.");
    steps.back().heat_map = true;
  }
  table("attention", "Sublayer(x) = [A_1 V_1, A_2 V_2] W_o^T + b_o", "T C", attended, dims,
        "What attention proposes to change. It is small beside x.");
  table("residual", "x + Sublayer(x)", "T C", sum, dims,
        "The words keep what they were; the sublayer only adds to it.");
  table("before the norm", "mean and standard deviation of each row", "T R",
        mean_and_deviation(sum), {"mean", "deviation"}, "Rows differ in size and in offset.");
  table("norm", "LayerNorm(x + Sublayer(x)), gain 1, bias 0", "T C", normed, dims,
        "Each row by itself is moved to mean 0 and stretched to deviation 1.");
  table("after the norm", "mean and standard deviation of each row", "T R",
        mean_and_deviation(normed), {"mean", "deviation"},
        "Now all rows speak equally loud, whatever came in.");
  table("inner", "relu(x W1^T + b1)", "T F", inner, numbered("", kInner),
        fmt::format("Second sublayer: every word by itself, through {} inner numbers. {} of {} "
                    "are 0: relu has switched them off.",
                    kInner, asleep, inner.numel()));
  table("feed-forward", "FFN(x) = relu(x W1^T + b1) W2^T + b2", "T C", fed, dims,
        "Back to the width of the model.");
  table("output", "LayerNorm(x + FFN(x))", "T C", result, dims,
        "The block's output has the shape of its input: blocks can be stacked.");
}

void add_gradient_steps(std::vector<Step>& steps) {
  constexpr StackShape kShape = {.layers = 50, .tokens = 4, .width = 8, .feed_forward = 32};
  constexpr int64_t kEvery = 5;
  std::vector<float> values;
  std::vector<float> at_bottom;
  for (const Wiring wiring :
       {Wiring::bare, Wiring::norm, Wiring::residual, Wiring::residual_norm}) {
    const std::vector<float> norms = gradient_norms(wiring, kShape, 0);
    for (size_t i = 0; i < norms.size(); i += kEvery) values.push_back(norms[i] - norms[0]);
    at_bottom.push_back(values.back());
  }
  Labels blocks;
  for (int64_t layer = kShape.layers; layer >= 0; layer -= kEvery) {
    blocks.push_back(std::to_string(layer));
  }
  steps.push_back(
      {.section = "Why the x + is there: the gradient through 50 blocks",
       .name = "gradient",
       .formula = "log10 of |dL/dx_l| / |dL/dx_50|, below block l = 50 .. 0",
       .letters = "R L",
       .values = Tensor::from(values, {4, static_cast<int64_t>(blocks.size())}),
       .rows = {"f(x)", "LN(f(x))", "x + f(x)", "LN(x+f(x))"},
       .columns = blocks,
       .says = fmt::format(
           "Training changes the first block by the gradient that reaches it. Without the residual "
           "a factor of 10^{:.0f} is left of it after 50 blocks (a float ends at 10^-45: nothing "
           "is left), and with a norm alone 10^{:.0f}. With x + it arrives: the sum passes it on "
           "unchanged beside the sublayer. Computed exactly: the chain rule written out through "
           "each attention, feed-forward and norm (no finite differences), 4 tokens, width 8, "
           "torch's nn.Linear weights, seed 0.",
           at_bottom[0], at_bottom[1]),
       .decimals = 2,
       .heat_map = true});
}

}  // namespace

std::vector<Step> walk_block() {
  std::vector<Step> steps;
  add_block_steps(steps);
  add_gradient_steps(steps);
  return steps;
}

}  // namespace heed::lessons_internal
