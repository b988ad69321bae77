#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "heed/base/folder_lock.h"
#include "heed/io/json.h"
#include "heed/tensor/named_tensors.h"

namespace heed {

/// A training run between two updates: all that the next update depends on.
struct TrainingState {
  int64_t step = 0;        // updates made
  NamedTensors weights;    // model.safetensors
  NamedTensors optimizer;  // optimizer.safetensors: Optimizer::state()
  Json progress;           // the loop's own: random state, data position, best score and so on
  Json run;                // what the run is of: data, model, settings (see check_same_run)
  bool best = false;       // what save() was told; set by loading
};

/// A run's checkpoints: folders `step-00001000` with the model's files, the optimiser's and
/// state.json, which holds the rest and every file's size and sum. Each is written under a name
/// that ends in .tmp, synced and renamed, so a folder of that name is whole whatever ends the
/// process; `best` is a link to the best.
class CheckpointFolder {
 public:
  /// Makes the folder if it is not there, keeps other processes from writing to it and removes what
  /// a killed run has left half written. keep: how many of the newest stay, beside the best. Error
  /// invalid_argument if another process writes there.
  explicit CheckpointFolder(std::filesystem::path folder, int64_t keep = 3);

  /// Writes a checkpoint and then removes earlier ones that are too many. add_files may write more
  /// into the folder (config.json, tokenizer.json). With best, `best` leads to it from then on.
  /// Error io_failure (a full disk) leaves all others as they are. Returns its path.
  std::filesystem::path save(
      const TrainingState& state, bool best,
      const std::function<void(const std::filesystem::path& folder)>& add_files = {});

  /// Steps of the checkpoints there, ascending; whole or not.
  std::vector<int64_t> steps() const;
  std::filesystem::path path_of(int64_t step) const;
  /// The newest that is whole, marked as best if it was to be; what it passes over goes to the log
  /// as a warning. Nothing if there are no checkpoints. Error as load_checkpoint's, of the newest,
  /// if there are and none is whole.
  std::optional<TrainingState> load_newest() const;
  /// The best one's folder, if one was marked.
  std::optional<std::filesystem::path> best() const;
  const std::filesystem::path& path() const { return folder_; }

 private:
  void remove_leftovers() const;
  void mark_best(const std::filesystem::path& checkpoint) const;
  void prune(int64_t newest) const;
  std::filesystem::path folder_;
  int64_t keep_;
  FolderLock lock_;
};

/// Reads one checkpoint's folder; tensors are mapped, not read. Error not_found / corrupt_data /
/// unsupported says which file is missing, of another size or sum, or of something else, with what
/// was needed and found.
TrainingState load_checkpoint(const std::filesystem::path& folder);

/// Error invalid_argument if a checkpoint's `run` differs from the run that wants to go on, naming
/// what changed, each with both values: "resume: data.bytes is 120 now and was 100 in ...".
/// What tokenizer_config.json says beside a tokenizer.json makes no difference.
void check_same_run(const Json& now, const Json& saved, const std::string& where);

/// {"bytes": N, "crc32c": "1a2b3c4d"} of a file: what `run` keeps of data.
Json describe_file(const std::filesystem::path& path);

}  // namespace heed
