#pragma once

#include <string_view>

#include "heed/nn/linear.h"
#include "heed/nn/run.h"
#include "heed/ops/attention.h"

namespace heed {

/// What every layer of attention ends with: queries [B, H, T, D] attend to keys [B, G, S, D] and
/// values [B, G, S, E], the heads' results side by side go through `output` [C, H E] -> [B, T, C].
/// Where the run has a cache, keys and values (of the T new tokens) are put there and all that it
/// holds are attended to; where it has an observer, that sees what it wants, and no bit of the
/// result changes. kind: "self" or "cross".
Tensor attend(const Tensor& q, const Tensor& k, const Tensor& v, const AttentionOptions& options,
              const Linear& output, std::string_view kind, const Run& run);
/// The same over keys and values that are kept in pages, one page a row (KvStep::memory()).
Tensor attend(const Tensor& q, const KvPages& kept, const AttentionOptions& options,
              const Linear& output, std::string_view kind, const Run& run);

/// y [B, H, T, E], as attention() lays it out in memory -> [B, T, H E].
Tensor merge_heads(const Tensor& y);

/// Which keys a token of a text sees that is read in order, by where the run's tokens stand: itself
/// and all before it.
Mask causal_mask(const Run& run);

}  // namespace heed
