#pragma once

#include <string>

#include "heed/nn/parameter_store.h"
#include "heed/train/task.h"

namespace heed {

/// Where numbers stopped being finite, in a sentence: a weight, the embeddings or a block, the
/// loss, or a gradient. Runs the batch once more, without recording.
std::string first_fault(const TrainTask& task, const TrainBatch& batch, const Run& run,
                        const ParameterStore& store);

}  // namespace heed
