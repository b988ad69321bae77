#include "heed/ops/attention_report_check.h"

#include <algorithm>
#include <string>
#include <vector>

#include "heed/base/error.h"
#include "heed/kernels/attention_report.h"

namespace heed {
namespace {

[[noreturn]] void refuse(const std::string& text) {
  throw Error(ErrorCode::invalid_argument, "attention report: " + text);
}

void expect_rising(const char* what, const std::vector<int64_t>& values) {
  const auto fall = std::is_sorted_until(values.begin(), values.end());
  if (fall == values.end()) return;
  refuse(std::string(what) + " must rise but " + std::to_string(*fall) + " follows " +
         std::to_string(*(fall - 1)));
}

void check_list(const AttentionKeyList& list, const AttentionPlan& plan) {
  for (const int64_t key : list.keys) {
    if (key >= 0 && key < plan['S']) continue;
    refuse("listed keys must be in [0, S=" + std::to_string(plan['S']) + ") but one is " +
           std::to_string(key));
  }
  const auto& starts = list.starts;
  if (starts.empty()) return;
  const int64_t rows = static_cast<int64_t>(starts.size()) - 1;
  if (rows != plan['T'] && rows != plan['B'] * plan['T']) {
    refuse("a list needs T+1=" + std::to_string(plan['T'] + 1) +
           " starts (or B T + 1=" + std::to_string(plan['B'] * plan['T'] + 1) + ") but has " +
           std::to_string(starts.size()));
  }
  expect_rising("a list's starts", starts);
  if (starts.front() != 0 || starts.back() != static_cast<int64_t>(list.keys.size())) {
    refuse("a list's starts must rise from 0 to its " + std::to_string(list.keys.size()) +
           " keys but go from " + std::to_string(starts.front()) + " to " +
           std::to_string(starts.back()));
  }
}

}  // namespace

namespace internal {

void check_report(const AttentionReportWant& want, const AttentionPlan& plan) {
  const auto within = [](const char* what, int64_t value, int64_t most) {
    if (value >= 0 && value <= most) return;
    refuse(std::string(what) + " must be in [0, " + std::to_string(most) + "] but is " +
           std::to_string(value));
  };
  within("top", want.top, kernels::AttentionReport::kMostTop);
  within("map", want.map, 1024);
  if (want.window) within("window", *want.window, Mask::kOpen);
  for (const AttentionKeyList& list : want.lists) check_list(list, plan);
  const auto& bins = want.bins;
  if (bins.empty()) return;
  expect_rising("bins", bins);
  if (bins.size() == 1 || bins.front() < 0 || bins.back() > plan['S']) {
    refuse("bins need two edges or more that rise within [0, S=" + std::to_string(plan['S']) +
           "] but are " + std::to_string(bins.size()) + " from " + std::to_string(bins.front()) +
           " to " + std::to_string(bins.back()));
  }
}

}  // namespace internal
}  // namespace heed
