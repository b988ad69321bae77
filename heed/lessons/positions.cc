#include "heed/nn/positions.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "heed/base/error.h"
#include "heed/lessons/arithmetic.h"
#include "heed/lessons/catalogue.h"
#include "heed/lessons/step_list.h"
#include "heed/ops/elementwise.h"
#include "heed/ops/embedding.h"
#include "heed/ops/linear.h"

namespace heed::lessons_internal {
namespace {

constexpr int64_t kWidth = 4;
constexpr int64_t kTrained = 32;  // positions that a learned table of this lesson has

// Rows in reverse: "dog ate man" and "man ate dog" are each other's.
Tensor reversed(const Tensor& x) {
  std::vector<Tensor> rows;
  for (int64_t t = x.size(0) - 1; t >= 0; --t) rows.push_back(x.slice(0, t, t + 1));
  return stack_rows(rows);
}

float largest_gap(const Tensor& a, const Tensor& b) {
  float gap = 0;
  const Tensor gaps = map2(a, b, [](float x, float y) { return std::abs(x - y); });
  for (const float g : gaps.span<float>()) gap = std::max(gap, g);
  return gap;
}

void add_order_steps(std::vector<Step>& steps) {
  const Labels dog_first = words_of("dog ate man");
  const Labels man_first = words_of("man ate dog");
  const Labels dims = numbered("", kWidth);
  TorchRandom random(3);
  const Tensor x = randn(random, {3, kWidth});
  const Tensor p = sinusoidal_positions(3, kWidth);
  const Attended forward = attend(x, x, x, {});
  const Attended backward = attend(reversed(x), reversed(x), reversed(x), {});
  const Tensor placed = add(x, p);
  const Tensor placed_back = add(reversed(x), p);
  const Attended forward_placed = attend(placed, placed, placed, {});
  const Attended backward_placed = attend(placed_back, placed_back, placed_back, {});

  const StepList table(steps, dog_first);
  table("x", "X = torch.randn(3, 4), seed 3", "T C", x, dog_first, dims,
        "Who ate whom? Only the order tells.");
  steps.back().section = "Without positions";
  table("dog ate man", "Y = attention(X, X, X)", "T E", forward.y, dog_first, dims,
        "Each word's vector after attention.");
  table("man ate dog", "Y = attention of the rows in the other order", "T E", backward.y, man_first,
        dims,
        fmt::format("The same three vectors in another order (largest difference {:.1g}): to "
                    "attention a sentence is a set. Nobody can tell who ate whom.",
                    largest_gap(forward.y, reversed(backward.y))));
  table("positions", "p[t, 2i] = sin(t / 10000^(2i/C)), p[t, 2i+1] = cos of the same", "T C", p,
        {"place 1", "place 2", "place 3"}, dims,
        "A vector for each place, added to the word there.");
  steps.back().section = "With positions";
  table("placed x", "X + p", "T C", placed, dog_first, dims,
        "\"dog\" in the first place is now another vector than \"dog\" in the third.");
  table("dog ate man, placed", "Y = attention(X + p)", "T E", forward_placed.y, dog_first, dims,
        "The eater stands first.");
  table("man ate dog, placed", "Y = attention of the other order + p", "T E", backward_placed.y,
        man_first, dims, "Now compare \"dog\" here with \"dog\" above.");
  table("difference", "|Y(dog ate man) - Y(man ate dog)|, word by word", "T E",
        map2(forward_placed.y, reversed(backward_placed.y),
             [](float a, float b) { return std::abs(a - b); }),
        dog_first, dims, "No longer zero: the order can be told from the vectors.");
}

std::string learned_table_says() {
  try {
    embedding(Tensor::zeros({kTrained, kWidth}),
              Tensor::from(std::vector<int32_t>{static_cast<int32_t>(kTrained)}, {1}));
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

void add_sinusoid_steps(std::vector<Step>& steps) {
  constexpr int64_t kWide = 32;
  constexpr int64_t kFar = 5000;
  const std::vector<int64_t> starts = {0, 10, 31, 100, 4000};
  const Tensor table = sinusoidal_positions(kFar, kWide);
  Labels places;
  for (int64_t t = 0; t < kTrained; ++t) places.push_back(std::to_string(t));
  steps.push_back({.section = "The table of sines",
                   .name = "table",
                   .formula = "p[t], the first 32 places, width 32",
                   .letters = "T C",
                   .values = table.slice(0, 0, kTrained).contiguous(),
                   .rows = places,
                   .columns = numbered("", kWide),
                   .says = "Left columns swing fast, right ones slowly, like the hands of a clock: "
                           "seconds tell neighbours apart, hours tell far places apart.",
                   .heat_map = true,
                   .lowest = -1.0f,
                   .highest = 1.0f,
                   .numbers = false});
  std::vector<Tensor> products;
  Labels rows;
  for (const int64_t t : starts) {
    products.push_back(matmul(table.slice(0, t, t + 1), table.slice(0, t, t + 9).transpose(0, 1)));
    rows.push_back(fmt::format("t = {}", t));
  }
  Labels steps_away;
  for (int64_t k = 0; k <= 8; ++k) steps_away.push_back(fmt::format("+{}", k));
  steps.push_back(
      {.name = "distance",
       .formula = "p[t] . p[t + k], k = 0 .. 8",
       .letters = "R S",
       .values = stack_rows(products),
       .rows = rows,
       .columns = steps_away,
       .says = "All rows are alike: the product depends on the distance k, not on the place t, and "
               "is largest for the place itself. A head can learn \"three words back\" once, for "
               "every place."});
  std::vector<Tensor> beyond;
  Labels beyond_rows;
  for (const int64_t t : {kTrained - 1, kTrained, kTrained + 1, int64_t{1000}, kFar - 1}) {
    beyond.push_back(table.slice(0, t, t + 1).slice(1, 0, 8));
    beyond_rows.push_back(fmt::format("t = {}", t));
  }
  steps.push_back(
      {.name = "beyond the trained length",
       .formula = "p[t], first 8 of 32 columns, after training on 32 places (t = 0 .. 31)",
       .letters = "R C",
       .values = stack_rows(beyond),
       .rows = beyond_rows,
       .columns = numbered("", 8),
       .says = fmt::format("The formula goes on: place 32 has a vector like any other, within -1 "
                           "and 1, at the same distance from its neighbours. A learned table of 32 "
                           "places has none to give: \"{}\". A formula that goes on is not yet a "
                           "model that does: it has never seen these vectors in training.",
                           learned_table_says())});
}

}  // namespace

std::vector<Step> walk_positions() {
  std::vector<Step> steps;
  add_order_steps(steps);
  add_sinusoid_steps(steps);
  return steps;
}

}  // namespace heed::lessons_internal
