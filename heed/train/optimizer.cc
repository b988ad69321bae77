#include "heed/train/optimizer.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "heed/autograd/tape.h"
#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/base/parallel.h"
#include "heed/kernels/optimizer.h"
#include "heed/train/optimizer_kinds.h"

namespace heed {
namespace {

// 128 KB of each array: long enough that handing it out costs nothing, short enough that two
// threads end together.
constexpr int64_t kChunkElements = 1 << 15;

[[noreturn]] void refuse(const std::string& message) {
  throw Error(ErrorCode::invalid_argument, "optimizer: " + message);
}

void check_parameter(const std::string& name, const Tensor& weight) {
  if (!weight || weight.dtype() != DType::f32 || !weight.is_contiguous()) {
    refuse("parameters must be contiguous f32 tensors (masters, in mixed precision), " +
           in_quotes(name) + " is not");
  }
  gradient(weight);  // an Error if it is no leaf
}

void check_in(const char* name, double value, double least, double most) {
  if (value >= least && value <= most) return;
  refuse(std::string(name) + " must be from " + std::to_string(least) + " to " +
         std::to_string(most) + ", found " + std::to_string(value));
}

void check(const OptimizerOptions& options) {
  constexpr double kBelowOne = 1 - 1e-12;
  check_in("momentum", options.momentum, 0, kBelowOne);
  check_in("beta1", options.beta1, 0, kBelowOne);
  check_in("beta2", options.beta2, 0, kBelowOne);
  check_in("epsilon", options.epsilon, 0, 1);
  check_in("decay_rate", options.decay_rate, 0, 1);
  check_in("clip_threshold", options.clip_threshold, 1e-12, 1e12);
  if (options.nesterov && options.momentum == 0) refuse("nesterov needs a momentum, found 0");
}

}  // namespace

OptimizerOptions OptimizerOptions::defaults(OptimizerKind kind) {
  OptimizerOptions options{.kind = kind};
  if (kind == OptimizerKind::lion) options.beta2 = 0.99;
  if (kind == OptimizerKind::adafactor) options.beta1 = 0;
  return options;
}

Optimizer::Optimizer(const std::vector<ParameterGroup>& groups) {
  std::set<std::string> names;
  for (const ParameterGroup& group : groups) {
    for (const auto& [name, weight] : group.parameters) {
      check_parameter(name, weight);
      if (!names.insert(name).second) refuse("parameter " + in_quotes(name) + " is given twice");
      for (int64_t begin = 0; begin < weight.numel(); begin += kChunkElements) {
        chunks_.push_back({slots_.size(), begin, std::min(begin + kChunkElements, weight.numel())});
      }
      slots_.push_back({.name = name,
                        .weight = weight,
                        .rate_factor = group.rate_factor,
                        .weight_decay = group.weight_decay,
                        .steps = Tensor::zeros({1}, DType::i64)});
    }
  }
  sums_.resize(chunks_.size());
}

Optimizer::~Optimizer() = default;

void Optimizer::take_gradients() {
  for (Slot& slot : slots_) {
    slot.gradient = gradient(slot.weight);
    if (slot.gradient) slot.gradient = slot.gradient.contiguous();
  }
}

void Optimizer::drop_gradients() {
  for (Slot& slot : slots_) slot.gradient = Tensor();
}

void Optimizer::step(double learning_rate, double gradient_factor) {
  take_gradients();
  for (Slot& slot : slots_) {
    if (slot.gradient) ++*slot.steps.data<int64_t>();
  }
  update(learning_rate, static_cast<float>(gradient_factor));
  drop_gradients();
}

double Optimizer::gradient_norm() { return std::sqrt(gradient_squares()); }

double Optimizer::gradient_squares() {
  take_gradients();
  parallel_for(static_cast<int64_t>(chunks_.size()), [&](int64_t task, int) {
    const auto i = static_cast<size_t>(task);
    const Chunk& chunk = chunks_[i];
    const Tensor& g = slots_[chunk.slot].gradient;
    sums_[i] =
        g ? kernels::sum_squares(g.data<float>() + chunk.begin, nullptr, 1, chunk.end - chunk.begin)
          : 0;
  });
  drop_gradients();
  double sum = 0;
  for (const double part : sums_) sum += part;
  return sum;
}

NamedTensors Optimizer::state() const {
  NamedTensors all;
  for (const Slot& slot : slots_) {
    for (const auto& [name, tensor] : slot.state) all.emplace_back(slot.name + "." + name, tensor);
    all.emplace_back(slot.name + ".step", slot.steps);
  }
  return all;
}

void Optimizer::load_state(const NamedTensors& state) {
  copy_tensors(state, this->state(), "optimizer state");
}

std::unique_ptr<Optimizer> make_optimizer(const OptimizerOptions& options,
                                          const std::vector<ParameterGroup>& groups) {
  check(options);
  return options.kind == OptimizerKind::adafactor ? internal::make_adafactor(options, groups)
                                                  : internal::make_elementwise(options, groups);
}

double clip_factor(double norm, double most_norm) {
  const double factor = most_norm / (norm + 1e-6);
  return factor > 1 ? 1 : factor;
}

}  // namespace heed
