#pragma once

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "heed/nn/parameter_store.h"
#include "heed/train/config.h"
#include "heed/train/lora.h"
#include "heed/train/model_start.h"

namespace heed {

/// What a run changes: a model's parameters, some of them frozen, or adapters beside frozen ones.
class TrainedWeights {
 public:
  TrainedWeights(const TrainConfig& settings, const ModelStart& start, const InitRule& rule);

  /// For the model's constructor.
  Params params() const;
  /// Whether the model is to be built anew for each step: its weights are then computed from the
  /// adapters.
  bool computed() const { return lora_ != nullptr; }
  /// To be called when a model was built once, so that all parameters are there. Error
  /// invalid_argument for an entry of settings.freeze or a target of adapters that fits nothing.
  void check() const;

  NamedTensors trained() const;
  const ParameterStore& store() const { return store_; }
  int64_t numel() const;
  void clear_gradients() const;

  /// What a checkpoint keeps: all parameters, or those that are trained beside a frozen model.
  NamedTensors kept() const;
  /// Writes the result: model.safetensors, or adapter_model.safetensors and adapter_config.json
  /// where adapters are not merged.
  void write_result(const std::filesystem::path& folder) const;

 private:
  static ParameterOptions options(const TrainConfig& settings, const ModelStart& start,
                                  const InitRule& rule);

  std::vector<std::string> freeze_;
  std::string model_;
  std::string before_;  // see before_names
  bool merge_ = false;
  std::set<std::string> in_base_;
  ParameterStore store_;
  std::shared_ptr<const Lora> lora_;
};

}  // namespace heed
