#include "heed/lessons/lesson.h"

#include <algorithm>

#include "heed/lessons/catalogue.h"

namespace heed {

const std::vector<Lesson>& lessons() {
  using namespace lessons_internal;
  static const std::vector<Lesson> all = {
      {"bank", "River bank or money bank: one score for a pair of words",
       "A dot product, a softmax, a blend: attention on three words, and why softmax subtracts the "
       "maximum.",
       walk_bank},
      {"spotlight", "The spotlight: from scores to weights",
       "How softmax turns five scores into shares of 1, the weighted sum word by word, and what "
       "sharpening does.",
       walk_spotlight},
      {"library", "The library: query, keys and values",
       "A question, the spines and the books, with and without the scale.", walk_library},
      {"journey", "Your journey starts with one step: self-attention in full",
       "Six words from raw dot products over trainable weights and causal masks to several heads.",
       walk_journey},
      {"scratch", "From scratch: one head as listings compute it",
       "Every matrix of a NumPy and of a PyTorch listing, with the listings' own random numbers.",
       walk_scratch},
      {"cross", "Self-attention against cross-attention",
       "An English sentence looks at itself, then at its French translation.", walk_cross},
      {"heads", "One head against eight", "What eight heads see at once, and why one head cannot.",
       walk_heads},
      {"causal", "Causal attention: no look ahead",
       "A future word changes no earlier output, and where the mask has to stand.", walk_causal},
      {"positions", "Positions: who ate whom",
       "Without positions a sentence is a set of vectors; the table of sines, also past the "
       "trained "
       "length.",
       walk_positions},
      {"block", "The block: LayerNorm(x + Sublayer(x))",
       "Residual, norm and feed-forward number by number, and how a gradient fades over 50 blocks "
       "without the residual.",
       walk_block},
      {"training", "Training: W_q, W_k and W_v learn where to look",
       "A head learns a lookup task by backpropagation: gradient, loss, and heat maps before, "
       "during and after.",
       walk_training},
      {"recurrent", "Recurrent: one word after another, or all at once",
       "LSTM, GRU, both with additive attention and a Transformer copy words and agree at a "
       "distance: accuracy, time and gradient against length.",
       walk_recurrent, run_recurrent},
  };
  return all;
}

const Lesson* find_lesson(std::string_view name) {
  const auto found = std::ranges::find(lessons(), name, &Lesson::name);
  return found == lessons().end() ? nullptr : &*found;
}

HeatMap heat_map_of(const Step& step) {
  const bool looks = step.letters == "T S";
  return {.title = step.name,
          .values = step.values,
          .row_labels = step.rows,
          .column_labels = step.columns,
          .row_axis = looks ? "looks (query)" : "",
          .column_axis = looks ? "looked at (key)" : "",
          .lowest = step.lowest,
          .highest = step.highest};
}

Picture lesson_picture(std::string_view title, std::string_view caption,
                       const std::vector<Step>& steps) {
  Picture picture{.title = std::string(title), .caption = std::string(caption)};
  for (const Step& step : steps) {
    if (step.heat_map) picture.maps.push_back(heat_map_of(step));
  }
  return picture;
}

std::vector<LineChart> lesson_charts(const std::vector<Step>& steps) {
  std::vector<LineChart> charts;
  for (const Step& step : steps) {
    if (!step.curves) continue;
    charts.push_back({.title = step.name,
                      .x_axis = step.curves->x_axis,
                      .y_axis = step.curves->y_axis,
                      .series = {},
                      .log_x = step.curves->log_x,
                      .log_y = step.curves->log_y});
    for (int64_t c = 0; c < step.values.size(1); ++c) {
      LineChart::Series series{.name = step.columns[static_cast<size_t>(c)], .x = {}, .y = {}};
      for (int64_t r = 0; r < step.values.size(0); ++r) {
        series.x.push_back(std::stod(step.rows[static_cast<size_t>(r)]));
        series.y.push_back(step.values.at({r, c}));
      }
      charts.back().series.push_back(std::move(series));
    }
  }
  return charts;
}

}  // namespace heed
