#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "heed/dist/group.h"
#include "heed/train/config.h"
#include "heed/train/task.h"

namespace heed {

/// What a run is, once data and model are there.
struct TrainFacts {
  int64_t parameters = 0;  // numbers in the model
  int64_t trained = 0;     // of them with a gradient
  int64_t total_steps = 0;
  int64_t first_step = 0;  // updates made before (a resumed run)
  int64_t skipped_rows = 0;
  int processes = 1;
};

/// How it goes: means since the last report.
struct TrainStatus {
  int64_t step = 0;
  int64_t total_steps = 0;
  double loss = 0;
  double learning_rate = 0;
  double gradient_norm = 0;
  double tokens_per_second = 0;
  double seconds_left = 0;
  int64_t memory_bytes = 0;  // resident
};

/// Who hears of a run. Methods are called between steps on the calling thread, in process 0 alone.
class TrainListener {
 public:
  virtual ~TrainListener() = default;
  virtual void started(const TrainFacts& /*facts*/, const TrainTask& /*task*/) {}
  virtual void progressed(const TrainStatus& /*status*/) {}
  virtual void evaluated(int64_t /*step*/, const Evaluation& /*result*/, bool /*best*/) {}
  virtual void saved(int64_t /*step*/, const std::filesystem::path& /*folder*/) {}
  /// A batch that gave no finite numbers was left out (settings.skip_nan).
  virtual void skipped(int64_t /*step*/, const std::string& /*why*/) {}
  /// Every settings.watch_every steps, at the start and at the end: the model as it is now.
  virtual void watched(int64_t /*step*/, const TrainTask& /*task*/) {}
};

enum class TrainEnd : uint8_t {
  done,
  stopped_early,  // no better for settings.patience evaluations
  interrupted,    // a stop was asked for (heed/base/cancel.h); the state is saved
};

struct TrainResult {
  TrainEnd end = TrainEnd::done;
  int64_t steps = 0;
  std::optional<Evaluation> best;  // if there are validation data
};

/// Trains as the settings say, into the folder settings.out: train.yaml, config.json, the
/// tokenizer's files, metrics, checkpoints/step-N and in the end model.safetensors (the best by the
/// validation data, else the last). With resume it goes on where the newest checkpoint ends, to the
/// same bits as a run without a stop. Errors: invalid_argument for settings or data that cannot be
/// served, a folder that holds a run already, a resumed run that changed; corrupt_data for a loss
/// that is no number, with the batch and the first layer that broke, and for weights that are no
/// longer finite where they would be saved.
///
/// Several processes, each of which calls this alike, share out every batch, the optimiser's state
/// and the validation data; the batch is the same whatever their number, and so is the result but
/// for the rounding of sums. Process 0 writes; all must see its folder. An Error in one of them is
/// to end its process, and with it all.
TrainResult train(const TrainConfig& settings, bool resume, TrainListener& listener, Group& group);

}  // namespace heed
