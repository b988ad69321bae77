#include "heed/lens/recorder.h"

#include <algorithm>

namespace heed {
namespace {

Tensor stacked(const std::vector<Tensor>& parts) {
  if (parts.empty()) return {};
  Shape shape{static_cast<int64_t>(parts.size())};
  for (const int64_t size : parts[0].shape()) shape.push_back(size);
  const Tensor out = Tensor::empty(shape);
  float* to = out.data<float>();
  for (const Tensor& part : parts) {
    const auto from = part.span<const float>();
    to = std::copy(from.begin(), from.end(), to);
  }
  return out;
}

}  // namespace

AttentionWant Recorder::wants(int /*layer*/, std::string_view kind) {
  return {.weights = want_.weights && kind == want_.kind};
}

void Recorder::attention(int /*layer*/, std::string_view kind, const AttentionOutputs& outputs) {
  if (kind == want_.kind) weights_.push_back(outputs.weights.select(0, 0).clone());
}

std::optional<AttentionReportWant> Recorder::wants_report(int layer, std::string_view kind) {
  if (kind != want_.kind) return std::nullopt;
  AttentionReportWant want = want_.report;
  if (want.progress) {
    want.progress = [this, layer](int64_t done, int64_t total) {
      want_.report.progress(layer * total + done, want_.layers * total);
    };
  }
  return want;
}

void Recorder::report(int /*layer*/, std::string_view /*kind*/, const AttentionReport& report,
                      const AttentionRun& run) {
  reports.push_back(report);
  reports.back().y = {};
  masks.push_back(run.options.mask);
  if (want_.runs) runs.push_back({run.q.clone(), run.k.clone(), run.lse, run.options});
}

bool Recorder::wants_value_norms(int /*layer*/, std::string_view kind) {
  return want_.value_norms && kind == want_.kind;
}

void Recorder::value_norms(int /*layer*/, std::string_view /*kind*/, const Tensor& norms) {
  norms_.push_back(norms.select(0, 0).clone());
}

void Recorder::hidden_state(int /*layer*/, const Tensor& state) {
  if (want_.states) states_.push_back(state.select(0, 0).clone());
}

Tensor Recorder::weights() const { return stacked(weights_); }
Tensor Recorder::value_norms() const { return stacked(norms_); }
Tensor Recorder::states() const { return stacked(states_); }

}  // namespace heed
