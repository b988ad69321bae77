// The products of a training step on weights that change at every step, so that packing them is
// part of the cost: y = x W^T + b, dx = dy W, dW = dy^T x and db, with W [N, K] as nn.Linear keeps
// it and as GPT-2 keeps it ([K, N]). Prints GFLOP/s (best of the rounds, so that a busy neighbour
// counts least) and the share of the fused multiply-add peak measured in the same rounds; db as its
// time's share of dW's.
//
//   bench_training_products [threads] [rounds]

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <vector>

#include "bench/roofs.h"
#include "bench/values.h"
#include "heed/autograd/tape.h"
#include "heed/base/parallel.h"
#include "heed/ops/cross_entropy.h"
#include "heed/ops/linear_gradient.h"

namespace heed::bench {
namespace {

struct Shape3 {
  int64_t tokens, outputs, inputs;
};

/// The best of some rounds.
struct Best {
  double rate = 0.0;
  void take(double operations, const std::function<void()>& work) {
    rate = std::max(rate, 1e-9 * best_rate(operations, work));
  }
};

void measure(const Shape3& shape, bool across, int rounds) {
  const Tensor x = values({shape.tokens, shape.inputs}), b = values({shape.outputs});
  const Tensor w = across ? values({shape.inputs, shape.outputs}).transpose(0, 1)
                          : values({shape.outputs, shape.inputs});
  const Tensor y = values({shape.tokens, shape.outputs}), dx = values(x.shape());
  const internal::Layer layer(w, b);
  const internal::Columns in = internal::columns_of(x), out = internal::columns_of(y);
  const double operations =
      2.0 * static_cast<double>(shape.tokens * shape.outputs) * static_cast<double>(shape.inputs);
  Best roof, forward, back, weights, biases;
  for (int round = 0; round < rounds; ++round) {
    roof.rate = std::max(roof.rate, 1e-9 * multiply_add_roof());
    forward.take(operations, [&] { internal::project(layer, in, out); });
    back.take(operations, [&] { internal::project_back(layer, out, internal::columns_of(dx)); });
    weights.take(operations, [&] { internal::weight_gradient(layer, out, in); });
    biases.take(operations, [&] { internal::bias_gradient(layer, out); });
  }
  fmt::print("{:5} {:5} {:5} {:>5}", shape.tokens, shape.outputs, shape.inputs,
             across ? "[K,N]" : "[N,K]");
  for (const Best& best : {forward, back, weights}) {
    fmt::print(" {:8.1f} {:5.1f}%", best.rate, 100.0 * best.rate / roof.rate);
  }
  fmt::print(" {:5.1f}% {:7.1f}\n", 100.0 * weights.rate / biases.rate, roof.rate);
  std::fflush(stdout);
}

void measure_loss(const Shape3& shape, int rounds) {
  const Tensor x = leaf(values({shape.tokens, shape.inputs}));
  const Tensor w = leaf(values({shape.outputs, shape.inputs}));
  const Tensor targets = Tensor::zeros({shape.tokens}, DType::i32);
  const double operations =
      2.0 * static_cast<double>(shape.tokens * shape.outputs) * static_cast<double>(shape.inputs);
  Best roof, recorded, alone;
  for (int round = 0; round < rounds; ++round) {
    roof.rate = std::max(roof.rate, 1e-9 * multiply_add_roof());
    recorded.take(3.0 * operations, [&] { cross_entropy(x, w, {}, targets); });
    alone.take(operations, [&] { cross_entropy(x.detach(), w.detach(), {}, targets); });
  }
  fmt::print(
      "{:5} {:5} {:5} cross_entropy: with gradients {:.1f} ({:.1f}%), loss alone {:.1f} "
      "({:.1f}%)\n",
      shape.tokens, shape.outputs, shape.inputs, recorded.rate, 100.0 * recorded.rate / roof.rate,
      alone.rate, 100.0 * alone.rate / roof.rate);
}

int run(int threads, int rounds) {
  set_num_threads(threads);
  fmt::print("{} threads, f32\n", threads);
  fmt::print(
      "    M     N     K     W        y               dx              dW            db    "
      "peak (GFLOP/s)\n");
  for (const int64_t tokens : {256, 1024}) {
    for (const auto& [outputs, inputs] :
         std::vector<std::pair<int64_t, int64_t>>{{768, 768}, {3072, 768}, {768, 3072}}) {
      for (const bool across : {false, true}) measure({tokens, outputs, inputs}, across, rounds);
    }
  }
  for (const auto& [outputs, inputs] :
       std::vector<std::pair<int64_t, int64_t>>{{128, 128}, {384, 128}, {512, 128}, {128, 512}}) {
    for (const bool across : {false, true}) measure({768, outputs, inputs}, across, rounds);
  }
  measure_loss({256, 50257, 768}, rounds);
  measure_loss({1024, 50257, 768}, rounds);
  measure_loss({768, 65, 128}, rounds);
  return 0;
}

}  // namespace
}  // namespace heed::bench

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 5;
  return heed::bench::run(threads, rounds);
}
