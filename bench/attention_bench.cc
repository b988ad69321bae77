// Heed's side of bench/attention.py, and the roofs.
#include <string>
#include <vector>

#include "bench/roofs.h"
#include "bench/worker.h"
#include "heed/base/parallel.h"
#include "heed/kernels/dispatch.h"
#include "heed/ops/attention_backward.h"

namespace heed::bench {
namespace {

DType dtype_of(const Job& job) {
  const auto name = job.at("dtype").get<std::string>();
  for (const DType dtype : {DType::f32, DType::bf16, DType::f16}) {
    if (to_string(dtype) == name) return dtype;
  }
  throw std::runtime_error("no dtype " + name);
}

/// The file's [B, tokens, heads, D] elements as [B, heads, tokens, D].
Tensor load(const Job& job, const char* name, const char* tokens, const char* heads) {
  const auto size = [&](const char* letter) { return job.at(letter).get<int64_t>(); };
  const Tensor all =
      Tensor::empty({size("b"), size(tokens), size(heads), size("d")}, dtype_of(job));
  std::ifstream file(job.at("data").get<std::string>() + "/" + name, std::ios::binary);
  const int64_t bytes = all.numel() * size_of(all.dtype());
  if (!file.read(reinterpret_cast<char*>(all.raw_data()), bytes)) {
    throw std::runtime_error(std::string("cannot read ") + name);
  }
  return all.transpose(1, 2);
}

/// "full", "causal", or "windowN": a query sees itself and the N - 1 keys before it.
Mask mask_of(const Job& job) {
  const auto name = job.at("mask").get<std::string>();
  if (name == "full") return {};
  const Mask causal = Mask::causal(Align::top_left);
  if (name == "causal") return causal;
  return causal & Mask::window(std::stoll(name.substr(std::string("window").size())) - 1, 0);
}

/// Queries, keys and values lie as projections leave them, [B, T, H, D], or, where the job asks for
/// it or there is one query (keys and values then come from a cache), [B, H, T, D].
class HeedProblem : public Problem {
 public:
  explicit HeedProblem(const Job& job)
      : q_(load(job, "q", "t", "h")), k_(load(job, "k", "s", "g")), v_(load(job, "v", "s", "g")) {
    set_num_threads(job.at("threads").get<int>());
    options_.mask = mask_of(job);
    if (job.at("pass") == "both") dy_ = load(job, "dy", "t", "h");
    if (job.at("layout") == "bhtd" || q_.size(2) == 1) {
      for (Tensor* x : {&q_, &k_, &v_, &dy_}) {
        if (*x) *x = x->contiguous();
      }
    }
  }

  void run() override {
    if (!dy_) {
      outputs_ = {attention(q_, k_, v_, options_)};
      return;
    }
    const AttentionOutputs out = attention_outputs(q_, k_, v_, options_, {.lse = true});
    const AttentionGradients gradients =
        attention_backward(q_, k_, v_, options_, out.y, out.lse, dy_);
    outputs_ = {out.y, gradients.dq, gradients.dk, gradients.dv};
  }

  void save(std::ofstream& file) const override {
    for (const Tensor& output : outputs_) {
      const Tensor values = output.transpose(1, 2).to(DType::f32).contiguous();
      file.write(reinterpret_cast<const char*>(values.raw_data()), values.numel() * 4);
    }
  }

  int64_t new_bytes() const override {
    int64_t bytes = 0;
    for (const Tensor& output : outputs_) bytes += output.numel() * size_of(output.dtype());
    return bytes;
  }

 private:
  Tensor q_, k_, v_, dy_;
  AttentionOptions options_;
  std::vector<Tensor> outputs_;
};

Job about_or_roof(const Job& job) {
  if (job.contains("about")) return {{"isa", kernels::to_string(kernels::active_isa())}};
  set_num_threads(job.at("threads").get<int>());
  const auto kind = job.at("roof").get<std::string>();
  if (kind == "pairs") return {{"rate", pair_roof()}};
  if (kind == "read") return {{"rate", read_roof(job.at("bytes").get<int64_t>())}};
  return {{"rate", multiply_add_roof()}};
}

}  // namespace
}  // namespace heed::bench

int main() {
  using namespace heed::bench;
  return serve([](const Job& job) { return std::make_unique<HeedProblem>(job); }, about_or_roof);
}
