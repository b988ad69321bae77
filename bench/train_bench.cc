// Heed's side of bench/train.py: steps of training a GPT-2, AdamW and clipping included.
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "bench/roofs.h"
#include "bench/worker.h"
#include "heed/autograd/tape.h"
#include "heed/base/parallel.h"
#include "heed/io/safetensors.h"
#include "heed/models/gpt2.h"
#include "heed/nn/parameter_store.h"
#include "heed/ops/cross_entropy.h"
#include "heed/tensor/storage.h"
#include "heed/train/optimizer.h"

namespace heed::bench {
namespace {

Gpt2Config config_of(const Job& job) {
  const auto size = [&](const char* name) { return job.at(name).get<int64_t>(); };
  Gpt2Config config;
  config.vocab = size("vocab");
  config.width = size("width");
  config.layers = size("layers");
  config.heads = size("heads");
  config.feed_forward = 4 * config.width;
  config.positions = size("block");
  return config;
}

Init start_of(std::string_view name, const Shape& shape) {
  if (shape.rank() > 1) return Init::normal(0.02F);
  return name.ends_with("weight") ? Init::ones() : Init::zeros();
}

class Training {
 public:
  explicit Training(const Job& job)
      : config_(config_of(job)),
        batch_(job.at("batch")),
        store_({.init = start_of, .seed = 1}),
        model_(config_, store_.params()),
        optimizer_(make_optimizer({.beta2 = 0.99}, group_parameters(store_.trained(), 0.1))) {}

  /// Weights, gradients and the optimiser's state.
  int64_t kept_bytes() const { return 16 * store_.numel(); }
  void save(const std::string& path) const { write_safetensors(path, store_.tensors()); }

  double step() {
    const Tensor ids = draw(), targets = draw();
    const Tensor loss = cross_entropy(model_.hidden(ids), model_.output_weight(), {}, targets);
    backward(loss);
    optimizer_->step(1e-3, clip_factor(optimizer_->gradient_norm(), 1));
    store_.clear_gradients();
    return *loss.data<float>();
  }

 private:
  /// The next ids, as train_worker.py draws them.
  Tensor draw() {
    const Tensor ids = Tensor::empty({batch_, config_.positions}, DType::i32);
    for (int32_t& id : ids.span<int32_t>()) {
      id = static_cast<int32_t>(random_() % static_cast<uint64_t>(config_.vocab));
    }
    return ids;
  }

  Gpt2Config config_;
  int64_t batch_;
  std::mt19937 random_{7};
  ParameterStore store_;
  Gpt2 model_;
  std::unique_ptr<Optimizer> optimizer_;
};

/// Answers jobs until there are no more; the model of a key stays from job to job.
int serve_training() {
  set_cached_memory_limit(std::numeric_limits<int64_t>::max());
  std::string key;
  std::unique_ptr<Training> training;
  int64_t bare_bytes = 0;
  for (std::string line; std::getline(std::cin, line);) {
    const Job job = Job::parse(line);
    const int threads = job.at("threads");
    set_num_threads(threads);
    if (job.contains("roof")) {
      std::cout << Job{{"flops", multiply_add_roof()}}.dump() << std::endl;
      continue;
    }
    if (key != job.at("key")) {
      training = nullptr;  // frees its memory first
      bare_bytes = memory_kb("VmHWM") * 1024;
      training = std::make_unique<Training>(job);
      key = job.at("key").get<std::string>();
      training->save(job.at("weights").get<std::string>());
    }
    Job reply{{"losses", Job::array()}, {"kept_bytes", training->kept_bytes()}};
    const double start = now(threads);
    const int steps = job.at("steps");
    for (int i = 0; i < steps; ++i) reply["losses"].push_back(training->step());
    reply["seconds"] = (now(threads) - start) / steps;
    reply["peak_bytes"] = memory_kb("VmHWM") * 1024;
    reply["bare_bytes"] = bare_bytes;
    std::cout << reply.dump() << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace heed::bench

int main() { return heed::bench::serve_training(); }
