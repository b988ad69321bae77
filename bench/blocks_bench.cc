// Products with weights in blocks, y = x W^T: one row of x, which reads all weights once (GB/s and
// the share of what reading as many bytes gives in the same rounds), and many (GFLOP/s and the
// share of the fused multiply-add peak). Shapes of SmolLM2-135M and of a 1.1B model; as many copies
// of the weights as make a model of about 100 MB, so that they come from where a model's would.
//
//   bench_blocks [threads] [rounds] [kind...]    kind: q4_1; q4_1:int8 for inputs in 8 bits

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <vector>

#include "bench/roofs.h"
#include "heed/base/error.h"
#include "heed/base/parallel.h"
#include "heed/ops/block_linear.h"

namespace heed::bench {
namespace {

constexpr int64_t kModelBytes = int64_t{100} << 20;

/// What is measured: weights of a kind, and whether inputs are rounded to 8 bits.
struct Weights {
  BlockKind kind;
  bool int8_inputs = false;
};

/// Bytes whose every pair is a normal f16 or bf16 of modest size.
BlockMatrix random_blocks(const Weights& weights, int64_t rows, int64_t columns) {
  const BlockKind kind = weights.kind;
  BlockMatrix matrix;
  matrix.kind = kind;
  matrix.int8_inputs = weights.int8_inputs;
  matrix.rows = rows;
  matrix.columns = columns;
  matrix.row_bytes = block_row_bytes(kind, columns);
  const auto storage = Storage::allocate(rows * matrix.row_bytes);
  std::mt19937 random(1);
  std::generate_n(storage->data(), storage->bytes(),
                  [&] { return static_cast<std::byte>((random() & 0x0f) | 0x20); });
  matrix.data = storage->data();
  matrix.owner = storage;
  return matrix;
}

struct Best {
  double rate = 0;
  double roof = 0;
};

Best measure(const std::vector<BlockLinear>& layers, int64_t rows, double work,
             double (*roof)(int64_t), int64_t bytes, int rounds) {
  const Tensor x = Tensor::full({rows, layers[0].inputs()}, 0.5F);
  Best best;
  for (int round = 0; round < rounds; ++round) {
    best.roof = std::max(best.roof, roof(bytes));
    best.rate = std::max(best.rate, best_rate(work, [&] {
                           for (const BlockLinear& layer : layers) layer(x);
                         }));
  }
  return best;
}

void measure_shape(const Weights& weights, int64_t outputs, int64_t inputs, int rounds) {
  const BlockKind kind = weights.kind;
  const int64_t columns = inputs / block_size(kind) * block_size(kind);
  const int64_t one = outputs * block_row_bytes(kind, columns);
  const int64_t copies = std::max<int64_t>(1, kModelBytes / one);
  std::vector<BlockLinear> layers;
  for (int64_t i = 0; i < copies; ++i) {
    layers.emplace_back(std::vector{random_blocks(weights, outputs, columns)},
                        std::vector{Tensor()});
  }
  const int64_t bytes = copies * one;
  const Best single = measure(layers, 1, static_cast<double>(bytes), read_roof, bytes, rounds);
  fmt::print("{:5}{:5} {:6} {:6} {:8.2f} {:8.2f} {:5.0f}%", to_string(kind),
             weights.int8_inputs ? ":int8" : "", outputs, columns, 1e-9 * single.rate,
             1e-9 * single.roof, 100 * single.rate / single.roof);
  for (const int64_t rows : {8, 64, 512}) {
    const std::vector<BlockLinear> some(
        layers.begin(),
        layers.begin() + std::max<int64_t>(1, copies * 4 / std::max<int64_t>(rows, 4)));
    const double work =
        2.0 * static_cast<double>(rows * outputs * columns) * static_cast<double>(some.size());
    const auto peak = [](int64_t) { return multiply_add_roof(); };
    const Best many = measure(some, rows, work, peak, 0, rounds);
    fmt::print(" {:8.1f} {:4.0f}%", 1e-9 * many.rate, 100 * many.rate / many.roof);
  }
  fmt::print("\n");
  std::fflush(stdout);
}

Weights weights_of(std::string_view name) {
  const std::string_view kind = name.substr(0, name.find(':'));
  for (size_t i = 0; i < kBlockKinds; ++i) {
    if (to_string(static_cast<BlockKind>(i)) == kind) {
      return {static_cast<BlockKind>(i), name.ends_with(":int8")};
    }
  }
  throw Error(ErrorCode::invalid_argument, fmt::format("bench_blocks: no kind {}", name));
}

int run(int threads, int rounds, const std::vector<Weights>& kinds) {
  set_num_threads(threads);
  fmt::print("{} threads\n", threads);
  fmt::print(
      "kind            N      K  1 row GB/s   roof  share   8 rows GFLOP/s  64 rows      512 "
      "rows\n");
  for (const Weights& weights : kinds) {
    for (const auto& [outputs, inputs] : {std::pair<int64_t, int64_t>{576, 576},
                                          {192, 576},
                                          {1536, 576},
                                          {576, 1536},
                                          {49152, 576},
                                          {2048, 2048},
                                          {5632, 2048}}) {
      measure_shape(weights, outputs, inputs, rounds);
    }
  }
  return 0;
}

}  // namespace
}  // namespace heed::bench

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 5;
  std::vector<heed::bench::Weights> kinds;
  for (int i = 3; i < argc; ++i) kinds.push_back(heed::bench::weights_of(argv[i]));
  if (kinds.empty()) kinds = {{heed::BlockKind::q4_1}, {heed::BlockKind::q8_0}};
  return heed::bench::run(threads, rounds, kinds);
}
