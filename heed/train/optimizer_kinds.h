#pragma once

#include <memory>
#include <vector>

#include "heed/train/optimizer.h"

// What make_optimizer chooses from; options are checked already.

namespace heed::internal {

/// sgd, adam, adamw, lion: every element by itself.
std::unique_ptr<Optimizer> make_elementwise(const OptimizerOptions& options,
                                            const std::vector<ParameterGroup>& groups);
std::unique_ptr<Optimizer> make_adafactor(const OptimizerOptions& options,
                                          const std::vector<ParameterGroup>& groups);

}  // namespace heed::internal
