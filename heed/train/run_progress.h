#pragma once

#include <cstdint>
#include <optional>

#include "heed/io/json.h"
#include "heed/train/data_order.h"
#include "heed/train/task.h"

namespace heed {

/// Sums over the updates since the last report.
struct Tally {
  double loss = 0;
  double norm = 0;
  int64_t steps = 0;
  int64_t tokens = 0;
  double seconds = 0;
};

/// How far a run came: what a checkpoint keeps of the loop beside the number of updates.
struct RunProgress {
  DataPosition at;      // of the next batch
  int64_t skipped = 0;  // updates left out
  int64_t best_step = -1;
  std::optional<Evaluation> best;  // by the validation data
  int64_t worse = 0;               // evaluations since the best
  Tally tally;

  /// The same as TrainingState::progress, and of one (runs that are older may lack the tally).
  Json to_json() const;
  static RunProgress from_json(const Json& progress);
};

}  // namespace heed
