#include <array>
#include <cmath>

#include "heed/base/parallel.h"
#include "heed/kernels/optimizer.h"
#include "heed/train/optimizer_kinds.h"

namespace heed::internal {
namespace {

/// An update's numbers that all rules take; rate is the slot's.
struct Update {
  double rate;
  double weight_decay;
  float gradient_factor;
  int64_t step;  // from 1
};

/// Elements of a slot: w, g and up to two arrays of state.
struct Elements {
  float* w;
  const float* g;
  std::array<float*, 2> state;
  int64_t n;
};

float decoupled(const Update& update) {
  return static_cast<float>(1 - update.rate * update.weight_decay);
}

struct AdamRule {
  const OptimizerOptions options;
  std::vector<const char*> state_names() const { return {"exp_avg", "exp_avg_sq"}; }
  kernels::AdamStep plan(const Update& update) const {
    const auto step = static_cast<double>(update.step);
    const bool is_decoupled = options.kind == OptimizerKind::adamw;
    return {.gradient_factor = update.gradient_factor,
            .l2 = is_decoupled ? 0 : static_cast<float>(update.weight_decay),
            .decay = is_decoupled ? decoupled(update) : 1,
            .one_minus_beta1 = static_cast<float>(1 - options.beta1),
            .beta2 = static_cast<float>(options.beta2),
            .one_minus_beta2 = static_cast<float>(1 - options.beta2),
            .step_size = static_cast<float>(update.rate / (1 - std::pow(options.beta1, step))),
            .inverse_root = static_cast<float>(1 / std::sqrt(1 - std::pow(options.beta2, step))),
            .epsilon = static_cast<float>(options.epsilon)};
  }
  static void apply(const kernels::AdamStep& plan, const Elements& of) {
    kernels::adam(plan, of.w, of.g, of.state[0], of.state[1], of.n);
  }
};

struct SgdRule {
  const OptimizerOptions options;
  std::vector<const char*> state_names() const {
    if (options.momentum == 0) return {};
    return {"momentum_buffer"};
  }
  kernels::SgdStep plan(const Update& update) const {
    return {.gradient_factor = update.gradient_factor,
            .l2 = static_cast<float>(update.weight_decay),
            .rate = static_cast<float>(update.rate),
            .momentum = static_cast<float>(options.momentum),
            .nesterov = options.nesterov};
  }
  static void apply(const kernels::SgdStep& plan, const Elements& of) {
    kernels::sgd(plan, of.w, of.g, of.state[0], of.n);
  }
};

struct LionRule {
  const OptimizerOptions options;
  std::vector<const char*> state_names() const { return {"exp_avg"}; }
  kernels::LionStep plan(const Update& update) const {
    return {.gradient_factor = update.gradient_factor,
            .decay = decoupled(update),
            .rate = static_cast<float>(update.rate),
            .beta1 = static_cast<float>(options.beta1),
            .one_minus_beta1 = static_cast<float>(1 - options.beta1),
            .beta2 = static_cast<float>(options.beta2),
            .one_minus_beta2 = static_cast<float>(1 - options.beta2)};
  }
  static void apply(const kernels::LionStep& plan, const Elements& of) {
    kernels::lion(plan, of.w, of.g, of.state[0], of.n);
  }
};

/// One pass over all parameters, cut into chunks that threads take, small tensors among large ones.
template <class Rule>
class Elementwise : public Optimizer {
 public:
  Elementwise(const OptimizerOptions& options, const std::vector<ParameterGroup>& groups)
      : Optimizer(groups), rule_{options}, plans_(slots().size()) {
    for (Slot& slot : slots()) {
      for (const char* name : rule_.state_names()) {
        slot.state.emplace_back(name, Tensor::zeros(slot.weight.shape()));
      }
    }
  }

 private:
  void update(double learning_rate, float gradient_factor) override {
    for (size_t i = 0; i < plans_.size(); ++i) {
      const Slot& slot = slots()[i];
      if (!slot.gradient) continue;
      plans_[i] = rule_.plan({.rate = learning_rate * slot.rate_factor,
                              .weight_decay = slot.weight_decay,
                              .gradient_factor = gradient_factor,
                              .step = slot.steps_made()});
    }
    parallel_for(static_cast<int64_t>(chunks().size()), [&](int64_t task, int) {
      const Chunk& chunk = chunks()[static_cast<size_t>(task)];
      const Slot& slot = slots()[chunk.slot];
      if (slot.gradient) Rule::apply(plans_[chunk.slot], elements(slot, chunk));
    });
  }

  static Elements elements(const Slot& slot, const Chunk& chunk) {
    Elements of{.w = slot.weight.data<float>() + chunk.begin,
                .g = slot.gradient.data<float>() + chunk.begin,
                .state = {},
                .n = chunk.end - chunk.begin};
    for (size_t i = 0; i < slot.state.size(); ++i) {
      of.state[i] = slot.state[i].second.template data<float>() + chunk.begin;
    }
    return of;
  }

  Rule rule_;
  std::vector<decltype(rule_.plan({}))> plans_;
};

}  // namespace

std::unique_ptr<Optimizer> make_elementwise(const OptimizerOptions& options,
                                            const std::vector<ParameterGroup>& groups) {
  switch (options.kind) {
    case OptimizerKind::sgd:
      return std::make_unique<Elementwise<SgdRule>>(options, groups);
    case OptimizerKind::lion:
      return std::make_unique<Elementwise<LionRule>>(options, groups);
    default:
      return std::make_unique<Elementwise<AdamRule>>(options, groups);
  }
}

}  // namespace heed::internal
