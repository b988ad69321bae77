#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "heed/train/gradient_sums.h"
#include "heed/train/optimizer.h"

namespace heed {

/// An optimiser over the processes of a group: each sums up, updates and keeps the state of its
/// share of every parameter (Rajbhandari et al., "ZeRO", 2020, stage 1; Adafactor, whose state is
/// of whole matrices, has whole parameters shared out), and all get the new weights. In a group of
/// one it is the optimiser itself. All methods are called by all processes.
class ShardedOptimizer {
 public:
  ShardedOptimizer(const OptimizerOptions& options, const std::vector<ParameterGroup>& groups,
                   Group& group);

  /// backward(loss) from dy = factor, adding to the gradients of this process. `last`: of this
  /// update; sums over the processes begin while it runs.
  void backward(const Tensor& loss, double factor, bool last);
  /// Waits for the sums; the norm of all gradients, of all processes.
  double gradient_norm();
  /// After gradient_norm(): the update. Gradients of this process's are gone then.
  void step(double learning_rate, double gradient_factor);
  /// Instead of it: an update that is left out.
  void skip();

  /// Optimizer::state() of the whole, at process 0; nothing at the others.
  NamedTensors state() const;
  /// Takes its share of the whole. Errors as Optimizer::load_state.
  void load_state(const NamedTensors& state);

 private:
  std::vector<ParameterGroup> shares_of(const std::vector<ParameterGroup>& groups);
  std::vector<int64_t> cuts_of(const Tensor& weight);
  Tensor share_of(const SharedParameter& parameter, const std::string& state,
                  const Tensor& whole) const;
  bool is_single() const { return group_.size() == 1; }

  Group& group_;
  bool cuts_parameters_;       // or shares out whole ones
  std::vector<int64_t> load_;  // numbers that each process owns
  std::vector<SharedParameter> parameters_;
  std::map<std::string, size_t> places_;
  std::vector<Tensor> own_;  // leaves over this process's shares, undefined where it has none
  std::unique_ptr<Optimizer> optimizer_;
  std::unique_ptr<GradientSums> sums_;
};

}  // namespace heed
