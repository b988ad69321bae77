// Linear layers' products, y = act(x W^T + b) in f32 with weights packed beforehand, in turns with
// oneDNN's inner product (weights in the layout it asks for, bias, GELU as a post-operation where
// the feed-forward has it) where oneDNN is installed. Prints GFLOP/s (best of the rounds, so that a
// busy neighbour counts least), the ratio, and the share of the fused multiply-add peak measured in
// the same rounds.
//
//   bench_linear [threads] [rounds]

#include <fmt/format.h>
#include <time.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <thread>
#include <vector>

#include "heed/base/parallel.h"
#include "heed/ops/linear.h"

#if HEED_BENCH_ONEDNN
#include <omp.h>

#include <oneapi/dnnl/dnnl.hpp>
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "bench/linear_bench.cc"
#include "heed/kernels/cpu/targets.h"
#include "hwy/foreach_target.h"  // IWYU pragma: keep
#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace heed::bench::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// `steps` fused multiply-adds in each of 12 chains; returns their count of floating-point
/// operations. More chains than latency times units, so the units are what limits.
double multiply_add_chains(int64_t steps, float* sink) {
  const hn::ScalableTag<float> d;
  const auto factor = hn::Set(d, 0.999f);
  hn::Vec<hn::ScalableTag<float>> sums[12];
  for (int i = 0; i < 12; ++i) sums[i] = hn::Set(d, 0.1f * static_cast<float>(i));
  for (int64_t step = 0; step < steps; ++step) {
    for (auto& sum : sums) sum = hn::MulAdd(sum, factor, factor);
  }
  for (int i = 1; i < 12; ++i) sums[0] = hn::Add(sums[0], sums[i]);
  *sink = hn::GetLane(sums[0]);
  return 2.0 * 12.0 * static_cast<double>(steps) * static_cast<double>(hn::Lanes(d));
}

}  // namespace heed::bench::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace heed::bench {
namespace {

/// One thread's work is timed by that thread's processor time, which other programs do not add to;
/// several threads' by the clock on the wall.
double now(int threads) {
  timespec time{};
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

double seconds_of(const std::function<void()>& work) {
  const double start = now(num_threads());
  work();
  return now(num_threads()) - start;
}

/// Rate of the best of a few runs within about 20 ms.
double rate(double operations, const std::function<void()>& work) {
  double best = 1e30;
  double spent = 0.0;
  while (spent < 0.02) {
    const double seconds = seconds_of(work);
    spent += seconds;
    best = std::min(best, seconds);
  }
  return operations / best * 1e-9;
}

double peak(int threads) {
  constexpr int64_t kSteps = 200000;
  std::vector<float> sinks(static_cast<size_t>(threads) * 16);
  double operations = 0.0;
  const double one = HEED_DISPATCH(multiply_add_chains)(1, sinks.data());
  operations = one * kSteps * threads;
  return rate(operations, [&] {
    parallel_for(threads, [&](int64_t task, int) {
      HEED_DISPATCH(multiply_add_chains)(kSteps, &sinks[static_cast<size_t>(task) * 16]);
    });
  });
}

struct Shape3 {
  int64_t rows, outputs, inputs;
};

#if HEED_BENCH_ONEDNN
/// oneDNN's inner product with weights in its own order.
class Onednn {
 public:
  Onednn(const Shape3& shape, const float* x, const float* w, const float* b, float* y, bool gelu)
      : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {
    using dnnl::memory;
    using Tag = memory::format_tag;
    const auto f32 = memory::data_type::f32;
    const memory::desc x_desc({shape.rows, shape.inputs}, f32, Tag::ab);
    const memory::desc any({shape.outputs, shape.inputs}, f32, Tag::any);
    const memory::desc plain({shape.outputs, shape.inputs}, f32, Tag::ab);
    const memory::desc b_desc({shape.outputs}, f32, Tag::a);
    const memory::desc y_desc({shape.rows, shape.outputs}, f32, Tag::ab);
    dnnl::primitive_attr attributes;
    if (gelu) {
      dnnl::post_ops post;
      post.append_eltwise(1.0f, dnnl::algorithm::eltwise_gelu_erf, 0.0f, 0.0f);
      attributes.set_post_ops(post);
    }
    const dnnl::inner_product_forward::desc desc(dnnl::prop_kind::forward_inference, x_desc, any,
                                                 b_desc, y_desc);
    const dnnl::inner_product_forward::primitive_desc chosen(desc, attributes, engine_);
    memory from(plain, engine_, const_cast<float*>(w));
    memory packed(chosen.weights_desc(), engine_);
    dnnl::reorder(from, packed).execute(stream_, from, packed);
    product_ = dnnl::inner_product_forward(chosen);
    arguments_ = {{DNNL_ARG_SRC, memory(x_desc, engine_, const_cast<float*>(x))},
                  {DNNL_ARG_WEIGHTS, packed},
                  {DNNL_ARG_BIAS, memory(b_desc, engine_, const_cast<float*>(b))},
                  {DNNL_ARG_DST, memory(y_desc, engine_, y)}};
    stream_.wait();
  }
  void run() {
    product_.execute(stream_, arguments_);
    stream_.wait();
  }

 private:
  dnnl::engine engine_;
  dnnl::stream stream_;
  dnnl::inner_product_forward product_;
  std::unordered_map<int, dnnl::memory> arguments_;
};
#endif

Tensor values(const Shape& shape) {
  const Tensor x = Tensor::empty(shape);
  uint32_t state = 1;
  for (float& value : x.span<float>()) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<float>(static_cast<int32_t>(state)) * 0x1p-32f;
  }
  return x;
}

void measure(const Shape3& shape, int threads, int rounds) {
  // enough copies of the weights that they come from where a model's would: not from L2
  const int64_t bytes = shape.outputs * shape.inputs * int64_t{sizeof(float)};
  const int64_t copies = shape.rows > 64 ? 1 : std::max<int64_t>(1, (int64_t{48} << 20) / bytes);
  // as in a Transformer: the feed-forward's first layer has it
  const auto activation = shape.outputs == 4 * shape.inputs ? Activation::gelu : Activation::none;
  const Tensor x = values({shape.rows, shape.inputs});
  const Tensor w = values({shape.outputs, shape.inputs});
  const Tensor b = values({shape.outputs});
  std::vector<PackedLinear> layers;
  for (int64_t i = 0; i < copies; ++i) layers.emplace_back(w, b);
#if HEED_BENCH_ONEDNN
  std::vector<Onednn> peers;
  const Tensor y = Tensor::empty({shape.rows, shape.outputs});
  for (int64_t i = 0; i < copies; ++i) {
    peers.emplace_back(shape, x.data<float>(), w.data<float>(), b.data<float>(), y.data<float>(),
                       activation == Activation::gelu);
  }
#endif
  const double operations = 2.0 * static_cast<double>(shape.rows * shape.outputs) *
                            static_cast<double>(shape.inputs * copies);
  double ours = 0.0;
  double theirs = 0.0;
  double roof = 0.0;
  for (int round = 0; round < rounds; ++round) {
    roof = std::max(roof, peak(threads));
    ours = std::max(ours, rate(operations, [&] {
                      for (const PackedLinear& layer : layers) layer(x, activation);
                    }));
#if HEED_BENCH_ONEDNN
    theirs = std::max(theirs, rate(operations, [&] {
                        for (Onednn& peer : peers) peer.run();
                      }));
    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // its threads stop spinning
#endif
  }
  fmt::print("{:5} {:5} {:5} {:8.1f} {:8.1f} {:6.2f} {:6.1f}% {:7.1f}\n", shape.rows, shape.outputs,
             shape.inputs, ours, theirs, theirs > 0.0 ? ours / theirs : 0.0, 100.0 * ours / roof,
             roof);
  std::fflush(stdout);
}

int run(int threads, int rounds) {
  set_num_threads(threads);
#if HEED_BENCH_ONEDNN
  omp_set_num_threads(threads);
#endif
  fmt::print("{} threads, f32, with bias, GELU (erf) where N = 4 K\n", threads);
  fmt::print("    M     N     K     heed   oneDNN  ratio    peak  (GFLOP/s)\n");
  const std::vector<std::pair<int64_t, int64_t>> weights{{1152, 384}, {384, 384},  {1536, 384},
                                                         {384, 1536}, {2304, 768}, {768, 768},
                                                         {3072, 768}, {768, 3072}};
  for (const int64_t rows : {1, 16, 128, 512, 4096}) {
    for (const auto& [outputs, inputs] : weights) measure({rows, outputs, inputs}, threads, rounds);
  }
  measure({2048, 4096, 4096}, threads, rounds);
  return 0;
}

}  // namespace
}  // namespace heed::bench

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 5;
  return heed::bench::run(threads, rounds);
}
#endif
