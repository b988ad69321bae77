#include <benchmark/benchmark.h>

#include <array>
#include <cstdint>
#include <random>

#include "heed/base/parallel.h"
#include "heed/ops/attention.h"

namespace {

using heed::Align;
using heed::Mask;
using heed::Tensor;

// Q, k and v as one fused projection leaves them: views of [B, T, 3, H, D].
Tensor projected(int64_t b, int64_t h, int64_t t, int64_t d) {
  Tensor all = Tensor::empty({b, t, 3, h, d});
  std::mt19937 generator(1);
  std::normal_distribution<float> normal;
  for (float& x : all.span<float>()) x = normal(generator);
  return all;
}

// Arguments: batch, heads, tokens, head size, causal, threads. The counter counts 4 B H T S D flops
// (half of that when causal).
void attend(benchmark::State& state) {
  const int64_t b = state.range(0);
  const int64_t h = state.range(1);
  const int64_t t = state.range(2);
  const int64_t d = state.range(3);
  const bool causal = state.range(4) != 0;
  heed::set_num_threads(static_cast<int>(state.range(5)));
  const Tensor all = projected(b, h, t, d);
  const auto part = [&](int64_t i) { return all.select(2, i).transpose(1, 2); };
  const Mask mask = causal ? Mask::causal(Align::top_left) : Mask();
  for (auto _ : state) {
    benchmark::DoNotOptimize(heed::attention(part(0), part(1), part(2), {.mask = mask}));
  }
  const double flops = 4.0 * static_cast<double>(b * h * t * t * d) / (causal ? 2 : 1);
  state.counters["GFLOP/s"] = benchmark::Counter(
      flops, benchmark::Counter::kIsIterationInvariantRate, benchmark::Counter::kIs1000);
}

void shapes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"B", "H", "T", "D", "causal", "threads"});
  for (const int threads : {1, 2}) {
    for (const auto& [b, t, d] : {std::array<int64_t, 3>{1, 16, 32},
                                  {1, 128, 32},
                                  {1, 512, 32},
                                  {32, 128, 32},
                                  {1, 16, 64},
                                  {1, 128, 64},
                                  {8, 128, 64},
                                  {1, 512, 64},
                                  {1, 4096, 64}}) {
      bench->Args({b, 12, t, d, 0, threads});
    }
    bench->Args({1, 12, 512, 64, 1, threads});
    bench->Args({1, 12, 4096, 64, 1, threads});
  }
  bench->UseRealTime();
}
BENCHMARK(attend)->Apply(shapes);

}  // namespace

BENCHMARK_MAIN();
