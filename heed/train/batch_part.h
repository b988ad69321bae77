#pragma once

#include "heed/train/task.h"

namespace heed {

/// What one of several processes computes of a batch.
struct BatchPart {
  TrainBatch batch;       // views of the whole one's rows, as long as its longest
  int64_t first_row = 0;  // of the whole batch
};

/// Rows in order, as evenly as they go; none for some processes where there are too few.
BatchPart part_of(const TrainBatch& batch, ProcessPart part);

}  // namespace heed
