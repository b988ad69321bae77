#pragma once

#include <string>
#include <vector>

#include "heed/lens/heads.h"
#include "heed/nn/run.h"

namespace heed {

/// What a Recorder keeps of one kind of attention, beside the reports.
struct RecorderWant {
  std::string kind = "self";  // or "cross"
  AttentionReportWant report;
  bool weights = false;
  bool states = true;
  bool value_norms = false;
  bool runs = false;   // queries, keys and lse: to compare with another run
  int64_t layers = 1;  // of the model, for progress
};

/// Keeps what a model does with one text (B = 1).
class Recorder : public Observer {
 public:
  explicit Recorder(RecorderWant want) : want_(std::move(want)) {}

  AttentionWant wants(int layer, std::string_view kind) override;
  void attention(int layer, std::string_view kind, const AttentionOutputs& outputs) override;
  std::optional<AttentionReportWant> wants_report(int layer, std::string_view kind) override;
  void report(int layer, std::string_view kind, const AttentionReport& report,
              const AttentionRun& run) override;
  bool wants_value_norms(int layer, std::string_view kind) override;
  void value_norms(int layer, std::string_view kind, const Tensor& norms) override;
  void hidden_state(int layer, const Tensor& state) override;

  Tensor weights() const;      // [L, H, T, S]; undefined if not wanted
  Tensor value_norms() const;  // [L, H, S]; undefined if not wanted
  Tensor states() const;       // [L + 1, T, C]; undefined if not wanted

  std::vector<AttentionReport> reports;  // of each layer, without y
  std::vector<Mask> masks;               // of each layer
  std::vector<AttentionRun> runs;        // of each layer

 private:
  RecorderWant want_;
  std::vector<Tensor> weights_;  // [H, T, S] of each layer
  std::vector<Tensor> norms_;    // [H, S]
  std::vector<Tensor> states_;   // [T, C]
};

}  // namespace heed
