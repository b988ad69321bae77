#include "bench/roofs.h"

#include <algorithm>
#include <vector>

#include "bench/worker.h"
#include "heed/base/parallel.h"
#include "heed/kernels/dispatch.h"
#include "heed/tensor/tensor.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/roofs.cc"
#include "heed/kernels/cpu/targets.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"
// (after foreach_target)
#include "heed/kernels/cpu/pair_dots-inl.h"
#include "heed/kernels/cpu/tiles-inl.h"

HWY_BEFORE_NAMESPACE();
namespace heed::bench::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

constexpr size_t kChains = 12;  // more than latency times units: the units are what limits

/// `steps` fused multiply-adds in each of kChains chains; returns the floating-point operations.
double multiply_add_chains(int64_t steps, float* sink) {
  const hn::ScalableTag<float> d;
  const auto factor = hn::Set(d, 0.999f);
  hn::Vec<hn::ScalableTag<float>> sums[kChains];
  for (size_t i = 0; i < kChains; ++i) sums[i] = hn::Set(d, 0.1f * static_cast<float>(i));
  for (int64_t step = 0; step < steps; ++step) {
    for (auto& sum : sums) sum = hn::MulAdd(sum, factor, factor);
  }
  for (size_t i = 1; i < kChains; ++i) sums[0] = hn::Add(sums[0], sums[i]);
  *sink = hn::GetLane(sums[0]);
  return 2.0 * static_cast<double>(kChains) * static_cast<double>(steps) *
         static_cast<double>(hn::Lanes(d));
}

/// `steps` products into each of four tiles, in registers; returns the floating-point operations.
double tile_chains(int64_t steps) {
#if defined(__x86_64__)
  using Tiles = heed::kernels::HWY_NAMESPACE::MachineTiles;
  Tiles::configure();  // they start as zeros
  for (int64_t step = 0; step < steps; ++step) {
    Tiles::multiply<0, 4, 6>();
    Tiles::multiply<1, 4, 7>();
    Tiles::multiply<2, 5, 6>();
    Tiles::multiply<3, 5, 7>();
  }
  Tiles::release();
#endif
  return 4.0 * 2.0 * 16 * 16 * 32 * static_cast<double>(steps);
}

/// `steps` dot products of pairs of bf16 into each of kChains chains; returns the floating-point
/// operations.
double dot_chains([[maybe_unused]] int64_t steps, [[maybe_unused]] float* sink) {
#if HWY_TARGET == HWY_AVX3
  using Dots = heed::kernels::HWY_NAMESPACE::MachineDots;
  const hn::ScalableTag<float> d;
  const auto pairs = hn::Set(d, 0.1f);
  hn::Vec<hn::ScalableTag<float>> sums[kChains];
  for (auto& sum : sums) sum = hn::Zero(d);
  for (int64_t step = 0; step < steps; ++step) {
    for (auto& sum : sums) sum = Dots::add(sum, pairs, pairs);
  }
  for (size_t i = 1; i < kChains; ++i) sums[0] = hn::Add(sums[0], sums[i]);
  *sink = hn::GetLane(sums[0]);
  return 2.0 * 2.0 * static_cast<double>(kChains) * static_cast<double>(steps) *
         static_cast<double>(hn::Lanes(d));
#else
  return 0.0;
#endif
}

/// Reads count floats, a multiple of 8 vectors of any target (kReadUnit).
void read_all(const float* data, int64_t count, float* sink) {
  const hn::ScalableTag<float> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  hn::Vec<hn::ScalableTag<float>> sums[8];
  for (auto& sum : sums) sum = hn::Zero(d);
  for (int64_t i = 0; i < count; i += 8 * lanes) {
    const float* at = data + i;
    for (auto& sum : sums) {
      sum = hn::Add(sum, hn::Load(d, at));
      at += lanes;
    }
  }
  for (size_t i = 1; i < 8; ++i) sums[0] = hn::Add(sums[0], sums[i]);
  *sink = hn::GetLane(sums[0]);
}

}  // namespace heed::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace heed::bench {
namespace {

constexpr int64_t kReadUnit = 128;  // floats: 8 of the widest vectors
constexpr size_t kLine = 16;        // floats of a cache line, one a thread: no false sharing

/// A buffer of at least so many floats, kept, with every page touched.
const float* read_buffer(int64_t count) {
  static Tensor buffer;
  if (!buffer || buffer.numel() < count) buffer = Tensor::full({count}, 1.0f);
  return buffer.data<float>();
}

}  // namespace

double best_rate(double operations, const std::function<void()>& work) {
  double best = 1e30;
  double spent = 0.0;
  while (spent < 0.02) {
    const double start = now(num_threads());
    work();
    const double seconds = now(num_threads()) - start;
    spent += seconds;
    best = std::min(best, seconds);
  }
  return operations / best;
}

namespace {

/// Of `chains(steps, sink)`, which returns its operations, on every thread.
double chain_roof(double (*chains)(int64_t, float*)) {
  constexpr int64_t kSteps = 200000;
  const int threads = num_threads();
  std::vector<float> sinks(static_cast<size_t>(threads) * kLine);
  const double one = chains(1, sinks.data());
  return best_rate(one * kSteps * threads, [&] {
    parallel_for(threads, [&](int64_t task, int) {
      chains(kSteps, &sinks[static_cast<size_t>(task) * kLine]);
    });
  });
}

}  // namespace

double multiply_add_roof() { return chain_roof(HEED_DISPATCH(multiply_add_chains)); }

double pair_roof() {
  if (kernels::active_isa() == kernels::Isa::avx512_bf16) {
    return chain_roof(HEED_DISPATCH(dot_chains));
  }
  if (kernels::active_isa() != kernels::Isa::amx) return 0.0;
  constexpr int64_t kSteps = 20000;
  const int threads = num_threads();
  return best_rate(HEED_DISPATCH(tile_chains)(1) * kSteps * threads, [&] {
    parallel_for(threads, [&](int64_t, int) { HEED_DISPATCH(tile_chains)(kSteps); });
  });
}

double read_roof(int64_t bytes) {
  const int64_t units = std::max<int64_t>(1, bytes / int64_t{sizeof(float)} / kReadUnit);
  const float* buffer = read_buffer(units * kReadUnit);
  const int64_t parts = std::min<int64_t>(num_threads(), units);
  const int64_t passes = std::max<int64_t>(1, (int64_t{4} << 20) / bytes);  // outlasts the clock
  std::vector<float> sinks(static_cast<size_t>(parts) * kLine);
  auto read_part = [&](int64_t part, int) {
    const int64_t begin = units * part / parts * kReadUnit;
    const int64_t end = units * (part + 1) / parts * kReadUnit;
    for (int64_t pass = 0; pass < passes; ++pass) {
      HEED_DISPATCH(read_all)
      (buffer + begin, end - begin, &sinks[static_cast<size_t>(part) * kLine]);
    }
  };
  const int64_t read_bytes = units * kReadUnit * passes * int64_t{sizeof(float)};
  return best_rate(static_cast<double>(read_bytes), [&] { parallel_for(parts, read_part); });
}

}  // namespace heed::bench
#endif
