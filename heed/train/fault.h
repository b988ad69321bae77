#pragma once

#include <string>

#include "heed/tensor/named_tensors.h"
#include "heed/train/task.h"
#include "heed/train/weights.h"

namespace heed {

/// Where numbers stopped being finite, in a sentence: a weight or an adapter, the embeddings or a
/// block, the loss, or a gradient. Runs the batch once more, without recording.
std::string first_fault(const TrainTask& task, const TrainBatch& batch, const Run& run,
                        const TrainedWeights& weights);

/// Which weight is not finite, in a sentence; empty if all are.
std::string broken_weight(const NamedTensors& weights);

}  // namespace heed
