#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <utility>

#include "heed/autograd/tape.h"
#include "heed/lessons/arithmetic.h"
#include "heed/lessons/catalogue.h"
#include "heed/lessons/draws.h"
#include "heed/lessons/step_list.h"
#include "heed/ops/attention.h"
#include "heed/ops/cross_entropy.h"
#include "heed/ops/elementwise.h"
#include "heed/ops/linear.h"
#include "heed/train/optimizer.h"

namespace heed::lessons_internal {
namespace {

constexpr int64_t kLetters = 8;
constexpr int64_t kNumbers = 8;
constexpr int64_t kPairs = 6;                    // in a row
constexpr int64_t kWidth = kLetters + kNumbers;  // of a token: which letter, which number
constexpr int64_t kHead = 8;
constexpr int64_t kBatch = 64;
constexpr int64_t kSteps = 240;
constexpr int64_t kDuring = 60;  // the step that shows how learning goes on
constexpr double kRate = 0.02;

/// Rows of pairs and one question each: which number stands beside the letter?
struct Task {
  Tensor pairs;     // [B, S, kWidth], each token a letter and its number, both one-hot
  Tensor question;  // [B, 1, kWidth], a letter alone
  Tensor answer;    // [B, 1], i32
  Labels names;     // of the first row's pairs: "C4"
  std::string asked;
};

std::string letter(int64_t i) { return {static_cast<char>('A' + i)}; }

Task draw_task(uint64_t seed, int64_t rows) {
  Draws draws(seed);
  Task task{.pairs = Tensor::zeros({rows, kPairs, kWidth}),
            .question = Tensor::zeros({rows, 1, kWidth}),
            .answer = Tensor::empty({rows, 1}, DType::i32),
            .names = {},
            .asked = {}};
  for (int64_t b = 0; b < rows; ++b) {
    int64_t letters[kLetters];
    for (int64_t i = 0; i < kLetters; ++i) letters[i] = i;
    const int64_t asked = draws.below(kPairs);
    for (int64_t s = 0; s < kPairs; ++s) {
      std::swap(letters[s], letters[s + draws.below(kLetters - s)]);
      const int64_t number = draws.below(kNumbers);
      task.pairs.at({b, s, letters[s]}) = 1;
      task.pairs.at({b, s, kLetters + number}) = 1;
      if (b == 0) task.names.push_back(fmt::format("{}{}", letter(letters[s]), number));
      if (s != asked) continue;
      task.question.at({b, 0, letters[s]}) = 1;
      task.answer.at<int32_t>({b, 0}) = static_cast<int32_t>(number);
      if (b == 0) task.asked = letter(letters[s]);
    }
  }
  return task;
}

/// One attention head from questions to pairs; its values are the scores of the eight numbers.
struct Head {
  Tensor query = start(1);  // W_q [D, C]
  Tensor key = start(2);    // W_k [D, C]
  Tensor value = start(3);  // W_v [8, C]

  static Tensor start(uint64_t seed) {
    TorchRandom random(seed);
    return leaf(scale(randn(random, {kHead, kWidth}), 0.3F));
  }

  /// [B, 1, 1, S] of the question, without a record.
  Tensor look(const Task& task) const {
    const NoGrad off;
    return attention_outputs(linear(task.question, query, {}).unsqueeze(1),
                             linear(task.pairs, key, {}).unsqueeze(1),
                             linear(task.pairs, value, {}).unsqueeze(1), {}, {.weights = true})
        .weights;
  }
  Tensor scores(const Task& task) const {               // [B, 1, 8]
    const Tensor q = linear(task.question, query, {});  // [B, 1, D]
    const Tensor k = linear(task.pairs, key, {});       // [B, S, D]
    const Tensor v = linear(task.pairs, value, {});     // [B, S, 8]
    return attention(q.unsqueeze(1), k.unsqueeze(1), v.unsqueeze(1)).select(1, 0);
  }
  Tensor loss(const Task& task) const { return cross_entropy(scores(task), task.answer); }

  /// How well each letter as a question matches each letter in a pair: W_q^T W_k, letters alone.
  Tensor match() const {
    const Tensor q = query.detach().slice(1, 0, kLetters), k = key.detach().slice(1, 0, kLetters);
    return scale(matmul(q.transpose(0, 1), k), 1.0F / std::sqrt(static_cast<float>(kHead)));
  }
  /// What each number in a pair says for each answer: W_v^T, numbers alone.
  Tensor saying() const {
    return value.detach().slice(1, kLetters, kWidth).transpose(0, 1).contiguous();
  }
  NamedTensors parameters() const { return {{"query", query}, {"key", key}, {"value", value}}; }
};

/// What the head knows at some step.
struct Snapshot {
  Tensor weights;  // [1, S] of the probe
  Tensor match;    // [8, 8]
  Tensor saying;   // [8, 8]
  float loss = 0;  // of the probe rows
  double right = 0;
};

Snapshot snapshot(const Head& head, const Task& probe) {
  const NoGrad off;
  const Tensor scores = head.scores(probe);
  int64_t right = 0;
  for (int64_t b = 0; b < scores.size(0); ++b) {
    right += largest(scores.select(0, b)) == probe.answer.at<int32_t>({b, 0}) ? 1 : 0;
  }
  return {.weights = head.look(probe).select(0, 0).select(0, 0).contiguous(),
          .match = head.match(),
          .saying = head.saying(),
          .loss = *head.loss(probe).data<float>(),
          .right = static_cast<double>(right) / static_cast<double>(scores.size(0))};
}

/// The loss when one element of W_q is moved, for the slope that the gradient claims.
float loss_with(const Head& head, const Task& task, int64_t row, int64_t column, float step) {
  const NoGrad off;
  Head moved = head;
  moved.query = head.query.detach().clone();
  moved.query.at({row, column}) += step;
  return *moved.loss(task).data<float>();
}

void add_gradient(const StepList& add, const Head& head, const Task& task) {
  backward(head.loss(task));
  const Tensor slope = gradient(head.query).clone();
  int64_t at = 0;
  for (int64_t i = 0; i < slope.numel(); ++i) {
    if (std::abs(slope.data<float>()[i]) > std::abs(slope.data<float>()[at])) at = i;
  }
  const int64_t row = at / kWidth, column = at % kWidth;
  constexpr float kStep = 0.05F;
  const float measured =
      (loss_with(head, task, row, column, kStep) - loss_with(head, task, row, column, -kStep)) /
      (2 * kStep);
  Step& step = add("gradient", "1000 dL / dW_q, by backpropagation", "D C", scale(slope, 1000),
                   numbered("d", kHead), numbered("c", kWidth),
                   fmt::format("How the loss changes with each weight of W_q. The steepest, row {} "
                               "column {}: backpropagation says {:.5f}; moving that weight by "
                               "+-{} and computing the loss twice says {:.5f}. Columns {} to {} "
                               "are 0: a question has no number.",
                               row + 1, column + 1, slope.data<float>()[at], kStep, measured,
                               kLetters + 1, kWidth));
  step.section = "Backpropagation";
  step.heat_map = true;
  step.decimals = 2;
}

/// Trains the head and returns the loss [R, 2] at every 20th step: loss and share right of a batch.
Tensor learn(Head& head, const Task& probe, Snapshot& during, Labels& labels) {
  const auto optimizer = make_optimizer({}, group_parameters(head.parameters(), 0));
  std::vector<Tensor> rows;
  for (int64_t step = 0; step <= kSteps; ++step) {
    if (step == kDuring) during = snapshot(head, probe);
    if (step % 20 == 0) {
      const Snapshot now = snapshot(head, probe);
      rows.push_back(Tensor::from({now.loss, static_cast<float>(now.right)}, {1, 2}));
      labels.push_back(fmt::format("step {}", step));
    }
    for (const auto& [name, weight] : head.parameters()) clear_gradient(weight);
    backward(head.loss(draw_task(static_cast<uint64_t>(1000 + step), kBatch)));
    optimizer->step(kRate);
  }
  return stack_rows(rows);
}

}  // namespace

std::vector<Step> walk_training() {
  Head head;
  const Task probe = draw_task(7, kBatch);
  const Snapshot before = snapshot(head, probe);
  std::vector<Step> steps;
  const StepList add(steps, {probe.asked + "?"});
  const Labels letters = words_of("A B C D E F G H"), numbers = words_of("0 1 2 3 4 5 6 7");

  add("before", "w = softmax(x W_q (m W_k)^T / sqrt(D)), random W", "T S", before.weights,
      probe.names,
      fmt::format("Six pairs of a letter and a number, then a letter alone: which number stands "
                  "beside {}? Random weights look everywhere; loss {:.3f} (guessing: ln 8 = "
                  "{:.3f}), {:.0f} % of {} such rows right.",
                  probe.asked, before.loss, std::log(8.0), 100 * before.right, kBatch))
      .heat_map = true;
  add_gradient(add, head, probe);

  Snapshot during;
  Labels labels;
  const Tensor course = learn(head, probe, during, labels);
  const Snapshot after = snapshot(head, probe);
  add("loss", "L = -ln p(answer), W -= rate x Adam(dL / dW)", "R C", course, labels,
      {"loss", "right"},
      fmt::format("{} steps of {} fresh rows each. Nobody says where to look: the loss speaks of "
                  "the answer alone, and its gradient reaches W_q and W_k through the softmax.",
                  kSteps, kBatch))
      .section = "Learning";
  Step& looks =
      add("where it looks", "w before, during and after", "R S",
          stack_rows({before.weights, during.weights, after.weights}),
          {"step 0", fmt::format("step {}", kDuring), fmt::format("step {}", kSteps)}, probe.names,
          fmt::format("The question {} finds its pair: {:.2f} of its attention before, "
                      "{:.2f} at step {}, {:.2f} at the end.",
                      probe.asked, before.weights.at({0, largest(after.weights)}),
                      during.weights.at({0, largest(after.weights)}), kDuring,
                      after.weights.at({0, largest(after.weights)})));
  looks.heat_map = true;
  looks.lowest = 0.0F;
  looks.highest = 1.0F;
  const auto add_map = [&](const char* name, const char* formula, const char* shape,
                           const Tensor& map, const Labels& names, const char* says) {
    Step& step = add(name, formula, shape, map, names, names, says);
    step.heat_map = true;
    step.decimals = 2;
  };
  const auto add_match = [&](const char* name, const Tensor& match, const char* says) {
    add_map(name, "W_q^T W_k / sqrt(D), letters alone", "C C", match, letters, says);
  };
  add_match("match before", before.match,
            "How well a letter as question (row) meets a letter in "
            "a pair (column): noise.");
  add_match("match during", during.match, "The diagonal rises.");
  add_match("match after", after.match,
            "Each letter meets itself: this is what W_q and W_k learned, together.");
  const auto add_saying = [&](const char* name, const Tensor& saying, const char* says) {
    add_map(name, "W_v^T, numbers alone", "S E", saying, numbers, says);
  };
  add_saying("what a pair says before", before.saying,
             "What a number in a pair (row) says for each answer (column): noise.");
  add_saying("what a pair says during", during.saying, "Here too the diagonal rises.");
  add_saying("what a pair says after", after.saying,
             "W_v learned to hand on the number as the answer, and to say nothing of the "
             "letter.");
  return steps;
}

}  // namespace heed::lessons_internal
