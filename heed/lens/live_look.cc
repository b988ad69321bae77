#include "heed/lens/live_look.h"

namespace heed {

std::optional<AttentionReportWant> LiveLook::wants_report(int layer, std::string_view kind) {
  if (!is_chosen(layer, kind)) return std::nullopt;
  AttentionReportWant want;
  want.top = kLiveTop;
  return want;
}

void LiveLook::report(int layer, std::string_view kind, const AttentionReport& report,
                      const AttentionRun& /*run*/) {
  if (!is_chosen(layer, kind)) return;
  const int64_t heads = report.top_keys.size(1), last = report.top_keys.size(2) - 1;
  for (int64_t head = head_.value_or(0); head < (head_ ? *head_ + 1 : heads); ++head, ++rows_) {
    for (int64_t i = 0; i < report.top_keys.size(3); ++i) {
      const int64_t key = report.top_keys.at<int64_t>({0, head, last, i});
      if (key >= 0) sums_[key] += report.top_weights.at({0, head, last, i});
    }
  }
}

void LiveLook::hidden_state(int layer, const Tensor& /*state*/) {
  if (layer != 0) return;  // a run begins
  sums_.clear();
  rows_ = 0;
}

std::vector<std::pair<int64_t, float>> LiveLook::keys() const {
  std::vector<std::pair<int64_t, float>> keys;
  for (const auto& [key, sum] : sums_) {
    keys.emplace_back(key, static_cast<float>(sum / static_cast<double>(rows_)));
  }
  return keys;
}

}  // namespace heed
