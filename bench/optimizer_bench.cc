// An update of GPT-2's 124 million parameters: AdamW moves 28 bytes a parameter (w, g, m, v read;
// w, m, v written), the norm of the gradients reads 4. Prints milliseconds and GB/s (best of the
// rounds, so that a busy neighbour counts least) beside the rate at which the same memory can be
// read.
//
//   bench_optimizer [threads] [rounds]

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "bench/roofs.h"
#include "heed/autograd/tape.h"
#include "heed/base/parallel.h"
#include "heed/train/optimizer.h"

namespace heed::bench {
namespace {

/// GPT-2's shapes, all with gradients.
NamedTensors parameters() {
  NamedTensors all;
  const auto add = [&](const Shape& shape) {
    const Tensor weight = leaf(Tensor::full(shape, 0.1F));
    backward(record(Tensor::zeros(shape), {weight},
                    [](const Tensor& dy, Gradients& to) { to.add(0, dy); }),
             Tensor::full(shape, 1e-3F));
    all.emplace_back(std::to_string(all.size()), weight);
  };
  add({50257, 768});
  add({1024, 768});
  for (int layer = 0; layer < 12; ++layer) {
    for (const Shape& shape :
         {Shape{768, 2304}, Shape{768, 768}, Shape{768, 3072}, Shape{3072, 768}}) {
      add(shape);
      add({shape[1]});
    }
    for (int norm = 0; norm < 4; ++norm) add({768});
  }
  return all;
}

void report(const char* what, double bytes, double rate) {
  fmt::print("{:<28} {:8.1f} ms {:7.1f} GB/s\n", what, 1e3 * bytes / rate, 1e-9 * rate);
}

void measure(int rounds) {
  const NamedTensors weights = parameters();
  double count = 0;
  for (const auto& [name, weight] : weights) count += static_cast<double>(weight.numel());
  const auto adamw = make_optimizer({}, group_parameters(weights, 0.1));
  double update = 0, norm = 0, read = 0;
  for (int round = 0; round < rounds; ++round) {
    update = std::max(update, best_rate(28 * count, [&] { adamw->step(1e-4, 0.5); }));
    norm = std::max(norm, best_rate(4 * count, [&] { static_cast<void>(adamw->gradient_norm()); }));
    read = std::max(read, read_roof(int64_t{1} << 29));
  }
  fmt::print("{:.1f} million parameters, {} threads\n", 1e-6 * count, num_threads());
  report("AdamW", 28 * count, update);
  report("gradient norm", 4 * count, norm);
  report("reading as much as AdamW", 28 * count, read);
}

}  // namespace
}  // namespace heed::bench

int main(int count, char** arguments) {
  if (count > 1) heed::set_num_threads(std::atoi(arguments[1]));
  heed::bench::measure(count > 2 ? std::atoi(arguments[2]) : 3);
}
