#pragma once

#include <filesystem>
#include <memory>
#include <utility>

#include "heed/train/checkpoint.h"
#include "heed/train/config.h"
#include "heed/train/task.h"

namespace heed {

/// The folder of a training run and what lies in it.
class RunFolder {
 public:
  /// Makes it, for the process that writes. Error invalid_argument if `resume` does not fit what is
  /// there.
  RunFolder(const TrainConfig& settings, bool resume);
  /// For one that reads what another process writes.
  explicit RunFolder(std::filesystem::path path) : path_(std::move(path)) {}

  const std::filesystem::path& path() const { return path_; }
  /// Of the process that writes.
  CheckpointFolder& checkpoints() const;

  /// config.json and the tokenizer's files: what a folder needs beside weights.
  void write_model_files(const TrainTask& task, const std::filesystem::path& folder) const;
  void write_settings(const TrainConfig& settings) const;

 private:
  std::filesystem::path path_;
  std::unique_ptr<CheckpointFolder> checkpoints_;  // null: another process writes
};

/// The settings on which a run's bits depend, for check_same_run.
Json settings_that_matter(const TrainConfig& settings);

}  // namespace heed
