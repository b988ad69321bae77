#include "heed/train/update.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "heed/base/cancel.h"
#include "heed/ops/precision.h"
#include "heed/train/fault.h"

namespace heed {

/// The random numbers of a batch's rows depend on the run's seed, the step and the row alone.
Training Updater::training_of(const BatchPart& part, int64_t step, int64_t micro) const {
  const uint64_t of_step = derived_seed(settings_.seed, static_cast<uint64_t>(step));
  return {.rates = dropout_rates_of(task_.start().config),
          .seed = derived_seed(of_step, static_cast<uint64_t>(micro)),
          .recompute = settings_.recompute,
          .first_row = part.first_row};
}

std::string Updater::fault_in(const BatchPart& part, int64_t step, int64_t micro) const {
  if (part.batch.count == 0) return "the norm of the gradients is not finite";
  Training training = training_of(part, step, micro);
  return first_fault(task_, part.batch, {.training = &training}, weights_);
}

void Updater::backward_all(const std::vector<TrainBatch>& batches, int64_t step,
                           UpdateResult& result) const {
  const ComputePrecision rounded(settings_.precision == "bf16" ? Precision::bf16 : Precision::f32);
  std::vector<BatchPart> parts;
  int64_t targets = 0;
  size_t last = 0;
  for (const TrainBatch& batch : batches) {
    parts.push_back(part_of(batch, {group_.rank(), group_.size()}));
    if (parts.back().batch.count > 0) last = parts.size() - 1;
    targets += batch.count;
    result.tokens += batch.tokens;
  }
  for (size_t i = 0; i < parts.size(); ++i) {
    const TrainBatch& batch = parts[i].batch;
    if (batch.count == 0) continue;
    const auto micro = static_cast<int64_t>(i);
    const double share = static_cast<double>(batch.count) / static_cast<double>(targets);
    if (weights_.computed()) rebuild_();
    Training training = training_of(parts[i], step, micro);
    const Tensor loss = task_.loss(batch, {.training = &training});
    const auto value = static_cast<double>(*loss.data<float>());
    result.loss += share * value;
    if (!std::isfinite(value)) {
      result.fault = fault_in(parts[i], step, micro);
      result.faulty = i;
      if (group_.size() == 1) return;
      break;  // the others wait for this one's gradients
    }
    optimizer_.backward(loss, share, i == last);
  }
  result.norm = optimizer_.gradient_norm();
  if (!std::isfinite(result.norm) && result.fault.empty()) {
    result.fault = fault_in(parts[last], step, static_cast<int64_t>(last));
    result.faulty = last;
  }
}

/// What the processes found becomes what all of them know.
void Updater::agree(UpdateResult& result) const {
  if (group_.size() == 1) return;
  const std::array<double, 4> mine{result.loss, result.fault.empty() ? 0.0 : 1.0,
                                   cancel_requested() ? 1.0 : 0.0,
                                   static_cast<double>(result.faulty)};
  const std::vector<double> all = group_.all_gather(mine);
  bool faulty = false;
  result.loss = 0;
  for (size_t i = 0; i < all.size(); i += mine.size()) {
    result.loss += all[i];
    faulty = faulty || all[i + 1] != 0;
    result.stop = result.stop || all[i + 2] != 0;
  }
  if (!faulty) return;
  const std::vector<std::string> faults = group_.gather(result.fault);
  const auto told = std::ranges::find_if(faults, [](const auto& text) { return !text.empty(); });
  result.fault = told == faults.end() ? "told by process 0" : *told;
  if (told == faults.end()) return;
  const auto process = static_cast<size_t>(told - faults.begin());
  result.faulty = static_cast<size_t>(all[process * mine.size() + 3]);
}

UpdateResult Updater::operator()(const std::vector<TrainBatch>& batches, int64_t step,
                                 double learning_rate) const {
  UpdateResult result;
  backward_all(batches, step, result);
  agree(result);
  if (result.fault.empty()) {
    const double factor = settings_.clip > 0 ? clip_factor(result.norm, settings_.clip) : 1;
    optimizer_.step(learning_rate, factor);
  } else {
    optimizer_.skip();
  }
  weights_.clear_gradients();
  return result;
}

}  // namespace heed
