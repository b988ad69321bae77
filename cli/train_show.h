#pragma once

#include <filesystem>
#include <memory>

#include "cli/command.h"
#include "heed/train/trainer.h"

namespace heed::cli {

/// Shows a run as it goes: a line that is drawn over on a terminal, plain lines elsewhere, JSON
/// lines on standard output with --json; heat maps of what is watched go to OUT/watch.
class TrainShow : public TrainListener {
 public:
  TrainShow(const Context& context, const TrainConfig& settings);
  ~TrainShow() override;

  void started(const TrainFacts& facts, const TrainTask& task) override;
  void progressed(const TrainStatus& status) override;
  void evaluated(int64_t step, const Evaluation& result, bool best) override;
  void saved(int64_t step, const std::filesystem::path& folder) override;
  void skipped(int64_t step, const std::string& why) override;
  void watched(int64_t step, const TrainTask& task) override;
  /// What the run ended with; draws the loss curve and the film strip.
  void ended(const TrainResult& result);

 private:
  void say(const std::string& line) const;

  const Context& context_;
  const TrainConfig& settings_;
  bool terminal_;
  std::unique_ptr<class TrainWatch> watch_;
};

/// The numbers that a run has written (metrics.jsonl) as curves of its losses.
void draw_loss_curve(const std::filesystem::path& metrics, const std::filesystem::path& picture);

}  // namespace heed::cli
