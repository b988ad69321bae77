#pragma once

#include "heed/ops/attention_plan.h"

namespace heed {

/// Attention of the plan's parts that have one query a head, by their own kernel
/// (kernels::attention_decodes). The other parts are left alone.
void decode_parts(const AttentionPlan& plan);

}  // namespace heed
