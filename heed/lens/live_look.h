#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "heed/nn/run.h"

namespace heed {

/// Where a model with a cache looks as it writes (B = 1): of each run the last token's row, from
/// which the next token is written; the mean over the chosen heads. Told from each head's
/// kLiveTop largest weights, so that a step costs hardly more than without it.
class LiveLook : public Observer {
 public:
  /// Absent: all layers, all heads.
  explicit LiveLook(std::optional<int64_t> layer = {}, std::optional<int64_t> head = {})
      : layer_(layer), head_(head) {}

  std::optional<AttentionReportWant> wants_report(int layer, std::string_view kind) override;
  void report(int layer, std::string_view kind, const AttentionReport& report,
              const AttentionRun& run) override;
  void hidden_state(int layer, const Tensor& state) override;

  /// Of the last run: keys and what they get, in the order of keys.
  std::vector<std::pair<int64_t, float>> keys() const;

  static constexpr int64_t kLiveTop = 8;

 private:
  bool is_chosen(int layer, std::string_view kind) const {
    return kind == "self" && (!layer_ || *layer_ == layer);
  }

  std::optional<int64_t> layer_, head_;
  std::map<int64_t, double> sums_;
  int64_t rows_ = 0;
};

}  // namespace heed
