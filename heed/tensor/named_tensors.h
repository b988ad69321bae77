#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "heed/tensor/tensor.h"

namespace heed {

/// Tensors with names, in an order: a file's arrays, a model's parameters.
using NamedTensors = std::vector<std::pair<std::string, Tensor>>;

/// The one of that name; undefined without it.
Tensor find_tensor(const NamedTensors& tensors, std::string_view name);

/// Copies the elements of `from` into the tensors of `to` (contiguous; leaves, an optimiser's
/// state) that have the same names. Error corrupt_data, begun by `what`, names what is missing,
/// left over or of another shape or dtype; nothing is copied then.
void copy_tensors(const NamedTensors& from, const NamedTensors& to, std::string_view what);

}  // namespace heed
