// Linear layers' products, y = act(x W^T + b) in f32 with weights packed beforehand, in turns with
// oneDNN's inner product (weights in the layout it asks for, bias, GELU as a post-operation where
// the feed-forward has it) where oneDNN is installed. Prints GFLOP/s (best of the rounds, so that a
// busy neighbour counts least), the ratio, and the share of the fused multiply-add peak measured in
// the same rounds.
//
//   bench_linear [threads] [rounds]

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <thread>
#include <vector>

#include "bench/roofs.h"
#include "bench/values.h"
#include "heed/base/parallel.h"
#include "heed/ops/linear.h"

#if HEED_BENCH_ONEDNN
#include <omp.h>

#include <oneapi/dnnl/dnnl.hpp>
#endif

namespace heed::bench {
namespace {

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

void measure(const Shape3& shape, int rounds) {
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
    roof = std::max(roof, 1e-9 * multiply_add_roof());
    ours = std::max(ours, 1e-9 * best_rate(operations, [&] {
                            for (const PackedLinear& layer : layers) layer(x, activation);
                          }));
#if HEED_BENCH_ONEDNN
    theirs = std::max(theirs, 1e-9 * best_rate(operations, [&] {
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
  for (const int64_t rows : {1, 2, 4, 8, 16, 32, 128, 512, 4096}) {
    for (const auto& [outputs, inputs] : weights) measure({rows, outputs, inputs}, rounds);
  }
  measure({2048, 4096, 4096}, rounds);
  return 0;
}

}  // namespace
}  // namespace heed::bench

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : 1;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 5;
  return heed::bench::run(threads, rounds);
}
