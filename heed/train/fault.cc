#include "heed/train/fault.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "heed/autograd/tape.h"

namespace heed {
namespace {

bool is_finite(const Tensor& x) {
  const Tensor values = x.contiguous();
  return std::ranges::all_of(values.span<float>(),
                             [](float value) { return std::isfinite(value); });
}

/// Remembers the first state that is not finite.
class FirstBroken : public Observer {
 public:
  void hidden_state(int layer, const Tensor& state) override {
    if (found_ < 0 && !is_finite(state)) found_ = layer;
  }
  int found() const { return found_; }

 private:
  int found_ = -1;
};

}  // namespace

std::string broken_weight(const NamedTensors& weights) {
  for (const auto& [name, weight] : weights) {
    if (!is_finite(weight)) return fmt::format("the weight {} is not finite", name);
  }
  return "";
}

std::string first_fault(const TrainTask& task, const TrainBatch& batch, const Run& run,
                        const TrainedWeights& weights) {
  const NoGrad off;
  for (const NamedTensors& some : {weights.store().tensors(), weights.trained()}) {
    if (std::string broken = broken_weight(some); !broken.empty()) return broken;
  }
  FirstBroken observer;
  Run watched = run;
  watched.observer = &observer;
  const Tensor loss = task.loss(batch, watched);
  if (observer.found() == 0) return "the embeddings are the first that are not finite";
  if (observer.found() > 0) {
    return fmt::format("block {} is the first whose result is not finite", observer.found() - 1);
  }
  if (!is_finite(loss)) return "the states are finite, the loss is not";
  for (const auto& [name, weight] : weights.trained()) {
    const Tensor slope = gradient(weight);
    if (slope && !is_finite(slope)) return fmt::format("the gradient of {} is not finite", name);
  }
  return "the loss is finite, the norm of the gradients is not";
}

}  // namespace heed
