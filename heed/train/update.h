#pragma once

#include <functional>
#include <string>
#include <vector>

#include "heed/dist/group.h"
#include "heed/train/batch_part.h"
#include "heed/train/config.h"
#include "heed/train/sharded_optimizer.h"
#include "heed/train/task.h"
#include "heed/train/weights.h"

namespace heed {

/// What an update found, in all processes alike (but for the fault's words, which process 0 has).
struct UpdateResult {
  double loss = 0;  // mean over all targets
  double norm = 0;  // of all gradients together
  int64_t tokens = 0;
  std::string fault;  // empty: all numbers are finite, and the weights are new
  size_t faulty = 0;  // of the batches, the one that the fault was found in
  bool stop = false;  // a stop was asked for in another process, or this one
};

/// Makes updates out of batches: each process of a group computes the gradients of its part of
/// every batch.
class Updater {
 public:
  /// rebuild: makes the task's model anew where its weights are computed from adapters.
  Updater(const TrainConfig& settings, TrainTask& task, const TrainedWeights& weights,
          ShardedOptimizer& optimizer, Group& group, std::function<void()> rebuild)
      : settings_(settings),
        task_(task),
        weights_(weights),
        optimizer_(optimizer),
        group_(group),
        rebuild_(std::move(rebuild)) {}

  /// The update number `step` (from 0), of the gradient of the mean over all targets of all
  /// batches, whatever batch they are in.
  UpdateResult operator()(const std::vector<TrainBatch>& batches, int64_t step,
                          double learning_rate) const;

 private:
  void backward_all(const std::vector<TrainBatch>& batches, int64_t step,
                    UpdateResult& result) const;
  std::string fault_in(const BatchPart& part, int64_t step, int64_t micro) const;
  Training training_of(const BatchPart& part, int64_t step, int64_t micro) const;
  void agree(UpdateResult& result) const;

  const TrainConfig& settings_;
  TrainTask& task_;
  const TrainedWeights& weights_;
  ShardedOptimizer& optimizer_;
  Group& group_;
  std::function<void()> rebuild_;
};

}  // namespace heed
