#include "heed/train/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <functional>

#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/base/paths.h"
#include "heed/io/adapter.h"

namespace heed {
namespace {

/// A model's folder from wherever a command is run; the name of a cached one as it is.
std::string path_of(const std::string& model) {
  std::error_code error;
  return std::filesystem::is_directory(model, error) ? absolute_path(model).string() : model;
}

/// Adapters apart name the model that they are for, which has to be a whole one.
void check_base(const TrainConfig& settings, const ModelStart& start) {
  if (settings.lora_merge || !start.from_checkpoint() || !is_adapter(start.folder)) return;
  throw Error(
      ErrorCode::invalid_argument,
      fmt::format("train: lora_rank needs a whole model to begin from, found the adapter {}; "
                  "--lora-merge saves one model, heed convert makes one of the adapter",
                  start.folder.string()));
}

}  // namespace

ParameterOptions TrainedWeights::options(const TrainConfig& settings, const ModelStart& start,
                                         const InitRule& rule) {
  const bool adapters = settings.lora_rank > 0;
  const std::vector<std::string> freeze = settings.freeze;
  const std::string encoder = start.head.base.empty() ? "" : start.head.base + ".";
  std::set<std::string, std::less<>> given;
  for (const auto& [name, tensor] : start.weights) given.insert(name);
  ParameterOptions options{.init = rule, .seed = settings.seed};
  options.frozen = [=](std::string_view name) {
    // what a task puts on an encoder is trained whole, whatever is adapted below it, and so is what
    // the checkpoint does not have
    if (adapters && name.starts_with(encoder) && given.contains(name)) return true;
    return std::ranges::any_of(freeze,
                               [&](const std::string& prefix) { return name.starts_with(prefix); });
  };
  if (!start.from_checkpoint()) return options;
  // a head and the pooler below it may be new, a layer among those that have learnt may not
  const std::string pooler = start.head.pooler.empty() ? "" : encoder + start.head.pooler + ".";
  options.needed = [=](std::string_view name) {
    return name.starts_with(encoder) && (pooler.empty() || !name.starts_with(pooler));
  };
  options.where = start.folder.string();
  return options;
}

TrainedWeights::TrainedWeights(const TrainConfig& settings, const ModelStart& start,
                               const InitRule& rule)
    : freeze_(settings.freeze),
      model_(path_of(settings.model)),
      before_(before_names(start)),
      merge_(settings.lora_merge),
      store_(start.weights, options(settings, start, rule)) {
  for (const auto& [name, tensor] : start.weights) in_base_.insert(name);
  if (settings.lora_rank == 0) return;
  check_base(settings, start);
  LoraOptions lora{.rank = settings.lora_rank,
                   .alpha = settings.lora_alpha > 0 ? settings.lora_alpha
                                                    : 2 * static_cast<double>(settings.lora_rank),
                   .targets = settings.lora_targets,
                   .freeze = settings.freeze,
                   .seed = settings.seed};
  if (lora.targets.empty()) {
    lora.targets = usual_lora_targets(start.config.value("model_type", std::string()));
  }
  lora_ = std::make_shared<Lora>(store_, std::move(lora));
}

Params TrainedWeights::params() const { return lora_ ? lora_->params() : store_.params(); }

void TrainedWeights::check() const {
  const std::vector<std::string> names = store_.names();
  for (const std::string& start : freeze_) {
    const bool fits = std::ranges::any_of(
        names, [&](const std::string& name) { return name.starts_with(start); });
    if (fits) continue;
    throw Error(ErrorCode::invalid_argument,
                fmt::format("train: freeze: no weight's name starts with {}; there are {}",
                            in_quotes(start), listed(names, 6)));
  }
  if (lora_) lora_->check();
  if (trained().empty()) {
    throw Error(ErrorCode::invalid_argument,
                "train: every weight is frozen; there is nothing to "
                "train");
  }
}

NamedTensors TrainedWeights::trained() const {
  NamedTensors all = store_.trained();
  if (lora_) {
    const NamedTensors adapters = lora_->adapters().trained();
    all.insert(all.end(), adapters.begin(), adapters.end());
  }
  return all;
}

int64_t TrainedWeights::numel() const {
  return store_.numel() + (lora_ ? lora_->adapters().numel() : 0);
}

void TrainedWeights::clear_gradients() const {
  store_.clear_gradients();
  if (lora_) lora_->adapters().clear_gradients();
}

NamedTensors TrainedWeights::kept() const {
  if (!lora_) return store_.tensors();
  NamedTensors all;
  for (const auto& [name, tensor] : trained()) all.emplace_back(name, tensor.detach());
  return all;
}

void TrainedWeights::write_result(const std::filesystem::path& folder) const {
  if (lora_ == nullptr || merge_) {
    write_safetensors(folder / "model.safetensors", lora_ ? lora_->merged() : store_.tensors(),
                      {{"format", "pt"}});
    return;
  }
  NamedTensors beside =
      store_.tensors();  // what was trained, and what the base model does not have
  std::erase_if(beside, [&](const auto& entry) {
    return in_base_.contains(entry.first) && !store_[entry.first].traced();
  });
  lora_->write(folder, model_, before_, beside);
}

}  // namespace heed
