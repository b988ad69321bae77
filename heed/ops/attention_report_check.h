#pragma once

#include "heed/ops/attention_plan.h"
#include "heed/ops/attention_report.h"

namespace heed::internal {

/// Error invalid_argument where a report on this call cannot tell what is wanted: lists, bins,
/// window, top and map.
void check_report(const AttentionReportWant& want, const AttentionPlan& plan);

}  // namespace heed::internal
