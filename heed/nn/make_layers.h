#pragma once

#include <cstdint>

#include "heed/base/parallel.h"
#include "heed/nn/params.h"

namespace heed {

/// make(i) for each layer i < count of a model of these weights: at once, since packing them takes
/// the time. Weights read in place take none, unless they are computed from adapters; their
/// products then share the threads, so that each step takes the same memory.
void make_layers(const Params& params, int64_t count, const auto& make) {
  if (!params.in_place()) {
    parallel_for(count, [&](int64_t i, int) { make(i); });
    return;
  }
  for (int64_t i = 0; i < count; ++i) make(i);
}

}  // namespace heed
