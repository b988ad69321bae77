#pragma once

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

namespace heed {

/// Numbers of one step, by name: {"loss", 2.1}.
using Metrics = std::vector<std::pair<std::string, double>>;

/// Writes a run's numbers as they come: FOLDER/metrics.jsonl (an object a line), metrics.csv (fixed
/// columns, empty where a step has no such number) and, if asked, TensorBoard's event file.
/// A line is written by one call to the system, so that a killed process leaves whole lines.
class MetricsWriter {
 public:
  struct Options {
    std::vector<std::string> columns;  // of metrics.csv, after "step"
    int64_t resume_step = 0;           // lines of later steps, which the run will make again, go
    bool tensorboard = false;
  };
  MetricsWriter(const std::filesystem::path& folder, Options options);
  ~MetricsWriter();
  MetricsWriter(const MetricsWriter&) = delete;
  MetricsWriter& operator=(const MetricsWriter&) = delete;

  /// Error invalid_argument for a name that is no column, io_failure from the system.
  void write(int64_t step, const Metrics& metrics);
  /// Everything on the disk: before a checkpoint of this step is.
  void sync();

 private:
  std::vector<std::string> columns_;
  int jsonl_ = -1;
  int csv_ = -1;
  int events_ = -1;
};

}  // namespace heed
