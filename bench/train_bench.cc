// Heed's side of bench/train.py: steps of training a model, AdamW and clipping included.
#include <filesystem>
#include <limits>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "bench/roofs.h"
#include "bench/texts.h"
#include "bench/training_parts.h"
#include "bench/worker.h"
#include "heed/autograd/tape.h"
#include "heed/base/parallel.h"
#include "heed/io/json.h"
#include "heed/io/safetensors.h"
#include "heed/models/gpt2.h"
#include "heed/models/heads.h"
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

/// What is trained: its loss on the next batch.
class Learner {
 public:
  virtual ~Learner() = default;
  virtual Tensor next_loss() = 0;
};

class LanguageModel : public Learner {
 public:
  LanguageModel(const Job& job, const Params& params)
      : config_(config_of(job)), batch_(job.at("batch")), model_(config_, params) {}

  Tensor next_loss() override {
    const Tensor ids = draw(), targets = draw();
    return cross_entropy(model_.hidden(ids), model_.output_weight(), {}, targets);
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
  Gpt2 model_;
};

/// A classifier of texts that starts from a checkpoint's weights and sees one batch over and over.
class Classifier : public Learner {
 public:
  Classifier(const Job& job, const Params& params)
      : Classifier(job, params, ConfigReader::open(folder_of(job) / "config.json")) {}

  static std::filesystem::path folder_of(const Job& job) {
    return job.at("model").get<std::string>();
  }

  Tensor next_loss() override {
    const LinearWeights& output = model_.output();
    return cross_entropy(model_.features(input_), output.weight, output.bias, targets_);
  }

 private:
  Classifier(const Job& job, const Params& params, const ConfigReader& config)
      : model_(HeadTask::classify, make_encoder(config, params), config, params, job.at("labels")),
        input_(EncoderInput::from_rows(make_texts(job.at("lengths")))),
        targets_(Tensor::empty({input_.ids.size(0)}, DType::i32)) {
    std::iota(targets_.data<int32_t>(), targets_.data<int32_t>() + targets_.numel(), 0);
  }

  EncoderHead model_;
  EncoderInput input_;
  Tensor targets_;
};

ParameterStore store_of(const Job& job) {
  if (!job.contains("model")) return ParameterStore({.init = start_of, .seed = 1});
  return ParameterStore(Checkpoint::open(Classifier::folder_of(job)));
}

std::unique_ptr<Learner> learner_of(const Job& job, const Params& params) {
  if (job.contains("model")) return std::make_unique<Classifier>(job, params);
  return std::make_unique<LanguageModel>(job, params);
}

class Training {
 public:
  explicit Training(const Job& job)
      : store_(store_of(job)),
        learner_(learner_of(job, store_.params())),
        optimizer_(make_optimizer({.beta2 = 0.99}, group_parameters(store_.trained(), 0.1))) {}

  /// Weights, gradients and the optimiser's state.
  int64_t kept_bytes() const { return 16 * store_.numel(); }
  void save(const std::string& path) const { write_safetensors(path, store_.tensors()); }

  double step() {
    const double loss = learn();
    update(clip());
    return loss;
  }
  /// Forward and backward.
  double learn() {
    const Tensor loss = learner_->next_loss();
    backward(loss);
    return *loss.data<float>();
  }
  /// What the gradients are multiplied by.
  double clip() { return clip_factor(optimizer_->gradient_norm(), 1); }
  void update(double factor) {
    optimizer_->step(1e-3, factor);
    store_.clear_gradients();
  }

 private:
  ParameterStore store_;
  std::unique_ptr<Learner> learner_;
  std::unique_ptr<Optimizer> optimizer_;
};

/// The sizes of what is trained.
StepShape shape_of(const Job& job) {
  const bool gpt2 = !job.contains("model");
  const Json config = gpt2 ? Json() : read_json(Classifier::folder_of(job) / "config.json");
  const auto size = [&](const char* ours, const char* berts) {
    return gpt2 ? job.at(ours).get<int64_t>() : config.at(berts).get<int64_t>();
  };
  StepShape shape{.layers = size("layers", "num_hidden_layers"),
                  .heads = size("heads", "num_attention_heads"),
                  .width = size("width", "hidden_size"),
                  .vocab = size("vocab", "vocab_size"),
                  .gpt2 = gpt2};
  shape.feed_forward = gpt2 ? 4 * shape.width : config.at("intermediate_size").get<int64_t>();
  shape.activation =
      activation_from_name(gpt2 ? "gelu_new" : config.at("hidden_act").get<std::string>());
  if (gpt2) {
    shape.batch = job.at("batch");
    shape.tokens = job.at("block");
    shape.classes = shape.vocab;
    shape.judged = shape.batch * shape.tokens;
  } else {
    shape.batch = shape.judged = std::ssize(job.at("lengths"));
    shape.tokens = job.at("lengths").at(0);
    shape.classes = job.at("labels");
  }
  return shape;
}

/// Where a step's time goes: its stages by the clock within it, the others of their own.
Job measure_parts(Training& training, StepParts& parts, int threads) {
  double step = 0, clip = 0, update = 0;
  int steps = 0;
  for (; step < 0.2; ++steps) {
    const double start = now(threads);
    training.learn();
    const double learnt = now(threads);
    const double factor = training.clip();
    const double clipped = now(threads);
    training.update(factor);
    const double end = now(threads);
    step += end - start;
    clip += clipped - learnt;
    update += end - clipped;
  }
  std::vector<Part> all = parts.measure();
  all.push_back({"clipping", clip / steps, 0});
  all.push_back({"AdamW", update / steps, 0});
  Job reply{{"seconds", step / steps}, {"flops", multiply_add_roof()}, {"parts", Job::array()}};
  for (const Part& part : all) {
    reply["parts"].push_back(
        {{"name", part.name}, {"seconds", part.seconds}, {"operations", part.operations}});
  }
  return reply;
}

/// Answers jobs; the model of a key stays from job to job.
class Server {
 public:
  Job answer(const Job& job) {
    const int threads = job.at("threads");
    set_num_threads(threads);
    if (job.contains("roof")) return {{"flops", multiply_add_roof()}};
    if (key_ != job.at("key")) start(job);
    if (job.contains("parts")) {
      if (!parts_) parts_ = std::make_unique<StepParts>(shape_of(job));
      return measure_parts(*training_, *parts_, threads);
    }
    return steps(job.at("steps"), threads);
  }

 private:
  void start(const Job& job) {
    training_ = nullptr;  // frees its memory first
    parts_ = nullptr;
    bare_bytes_ = memory_kb("VmHWM") * 1024;
    training_ = std::make_unique<Training>(job);
    key_ = job.at("key").get<std::string>();
    if (!job.contains("model")) training_->save(job.at("weights").get<std::string>());
  }

  Job steps(int count, int threads) {
    Job reply{{"losses", Job::array()}, {"kept_bytes", training_->kept_bytes()}};
    const double start = now(threads);
    for (int i = 0; i < count; ++i) reply["losses"].push_back(training_->step());
    reply["seconds"] = (now(threads) - start) / count;
    reply["peak_bytes"] = memory_kb("VmHWM") * 1024;
    reply["bare_bytes"] = bare_bytes_;
    return reply;
  }

  std::string key_;
  std::unique_ptr<Training> training_;
  std::unique_ptr<StepParts> parts_;
  int64_t bare_bytes_ = 0;
};

int serve_training() {
  set_cached_memory_limit(std::numeric_limits<int64_t>::max());
  Server server;
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << server.answer(Job::parse(line)).dump() << std::endl;
  }
  return 0;
}

}  // namespace
}  // namespace heed::bench

int main() { return heed::bench::serve_training(); }
