#pragma once

#include <string>
#include <utility>
#include <vector>

#include "heed/tensor/tensor.h"

namespace heed {

/// Tensors with names, in an order: a file's arrays, a model's parameters.
using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

}  // namespace heed
