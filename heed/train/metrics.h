#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace heed {

class GrowingFile;

/// Numbers of one step, by name: {"loss", 2.1}.
using Metrics = std::vector<std::pair<std::string, double>>;

/// Writes a run's numbers as they come: FOLDER/metrics.jsonl (an object a line, null for what is no
/// number), metrics.csv (fixed columns, empty where a step has no such number) and, if asked,
/// TensorBoard's event file. A record is written by one call to the system, so that a killed
/// process leaves whole ones.
class MetricsWriter {
 public:
  struct Options {
    std::vector<std::string> columns;  // of metrics.csv, after "step"
    int64_t resume_step = 0;           // records of later steps, which the run will make again, go
    bool tensorboard = false;
  };
  /// The folder must be there. Error io_failure / not_found.
  MetricsWriter(const std::filesystem::path& folder, Options options);
  ~MetricsWriter();
  MetricsWriter(const MetricsWriter&) = delete;
  MetricsWriter& operator=(const MetricsWriter&) = delete;

  /// Error invalid_argument for a name that is no column, io_failure from the system.
  void write(int64_t step, const Metrics& metrics);
  /// Everything on the disk: before a checkpoint of this step is.
  void sync();

 private:
  std::string csv_line(int64_t step, const Metrics& metrics) const;
  std::vector<std::string> columns_;
  std::unique_ptr<GrowingFile> jsonl_, csv_, events_;
};

}  // namespace heed
