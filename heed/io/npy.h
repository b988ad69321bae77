#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "heed/tensor/tensor.h"

namespace heed {

/// NumPy's .npy (versions 1 to 3, C or Fortran order, little or big endian) as a contiguous tensor.
/// Every dtype of DType that NumPy has. Error corrupt_data / unsupported.
Tensor read_npy(const std::filesystem::path& path);
Tensor parse_npy(std::string_view bytes, std::string_view where);
/// Atomically (temporary name, sync, rename). bf16 is written as uint16 bits.
void write_npy(const std::filesystem::path& path, const Tensor& tensor);

using NamedTensors = std::vector<std::pair<std::string, Tensor>>;
/// .npz: a zip of .npy files (stored or deflated), in file order, names without ".npy".
NamedTensors read_npz(const std::filesystem::path& path);
void write_npz(const std::filesystem::path& path, const NamedTensors& tensors);

}  // namespace heed
