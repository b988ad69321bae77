#include <fmt/format.h>

#include "heed/lessons/journey.h"
#include "heed/lessons/step_list.h"
#include "heed/ops/linear.h"

namespace heed::lessons_internal {
namespace {

const AttentionOptions& causal_options() {
  static const AttentionOptions options = {.mask = Mask::causal(Align::top_left)};
  return options;
}

}  // namespace

void add_causal_steps(std::vector<Step>& steps, const Journey& sentence) {
  TorchRandom random(789);
  const Projected made = project_linear(random, sentence.x, 2);
  const Attended open = attend(made.q, made.k, made.v, {});
  const Attended hidden = attend(made.q, made.k, made.v, causal_options());
  Tensor mask = Tensor::empty({6, 6});
  TorchRandom(123).dropout_mask(mask.span<float>(), 0.5);

  const StepList table(steps, sentence.words);
  const size_t first = steps.size();
  table("linear contexts", "W_q, W_k, W_v = nn.Linear(3, 2, bias=False), seed 789", "T E", open.y,
        numbered("y", 2),
        "The same head with weights drawn as nn.Linear draws them: around zero, so the contexts "
        "are small.");
  steps[first].section = "Without looking ahead";
  table("masked scores", "S = Q K^T / sqrt(D); -inf where a key comes later", "T S", hidden.scores,
        sentence.words,
        "A model that predicts the next word must not see it: everything above the diagonal is "
        "hidden.");
  table("causal weights", "A = softmax(S), exp(-inf) = 0", "T S", hidden.weights, sentence.words,
        "\"Your\" can only look at itself; each later word shares its look among more. Rows still "
        "sum to 1.");
  steps.back().heat_map = true;
  table("dropout mask", "nn.Dropout(0.5) of ones, seed 123", "T S", mask, sentence.words,
        "In training, half of the weights are switched off at random; what stays counts double, "
        "so the expected sum is the same.");
  table("dropped weights", "A x dropout mask", "T S",
        map2(hidden.weights, mask, [](float w, float m) { return w * m; }), sentence.words,
        "No word can rely on a single other word. When the model is used, nothing is dropped.");
}

void add_head_steps(std::vector<Step>& steps, const Journey& sentence) {
  TorchRandom random(123);
  const Projected first = project_linear(random, sentence.x, 2);
  const Projected second = project_linear(random, sentence.x, 2);
  const Tensor one = attend(first.q, first.k, first.v, causal_options()).y;
  const Tensor two = attend(second.q, second.k, second.v, causal_options()).y;

  TorchRandom again(123);
  const Projected whole = project_linear(again, sentence.x, 2);
  const Tensor w_out = linear_weight(again, 2, 2);
  const Tensor b_out = linear_bias(again, 2, 2);
  const Tensor heads = attention(split_heads(whole.q, 2), split_heads(whole.k, 2),
                                 split_heads(whole.v, 2), causal_options());
  const Tensor merged = heads.transpose(1, 2).reshape({6, 2});

  const StepList table(steps, sentence.words);
  const size_t start = steps.size();
  table("causal module", "causal attention, nn.Linear(3, 2) x 3, seed 123", "T E", one,
        numbered("y", 2),
        "A whole causal head as a module has it. Row 1 is simply the value of \"Your\".");
  steps[start].section = "Several heads";
  table("second head", "the same with the next numbers of the seed", "T E", two, numbered("y", 2),
        "Other matrices see the same words differently.");
  table("both heads", "[head 1, head 2], side by side", "T E", stack_columns({one, two}),
        {"head1 y1", "head1 y2", "head2 y1", "head2 y2"},
        "Heads do not disturb each other: their results stand side by side.");
  table("heads of width 1", "W_q, W_k, W_v of width 2 cut into 2 heads of 1", "T E", merged,
        {"head1", "head2"},
        "In practice one matrix makes all heads at once, and its columns are cut into heads: the "
        "same width, no more arithmetic.");
  table("multi-head", "heads W_o^T + b_o, nn.Linear(2, 2) drawn last", "T E",
        PackedLinear(w_out, b_out)(merged), numbered("y", 2),
        "The output projection mixes what the heads found.");
}

}  // namespace heed::lessons_internal
