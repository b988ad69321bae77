#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "heed/tensor/named_tensors.h"

namespace heed {

/// NumPy's .npy (versions 1 to 3, C or Fortran order, little or big endian) as a contiguous tensor.
/// Every dtype of DType that NumPy has; bytes after the array are an error. Error corrupt_data /
/// unsupported.
Tensor read_npy(const std::filesystem::path& path);
Tensor parse_npy(std::string_view bytes, std::string_view where);
/// Atomically (temporary name, sync, rename). bf16 is written as uint16 bits, the 8-bit floats as
/// uint8.
void write_npy(const std::filesystem::path& path, const Tensor& tensor);

/// .npz: a zip of .npy files (stored or deflated), in file order, names without ".npy".
NamedTensors read_npz(const std::filesystem::path& path);
NamedTensors parse_npz(std::string_view bytes, const std::string& where);
/// Atomically and stored, as NumPy's savez; equal arrays give equal files.
void write_npz(const std::filesystem::path& path, const NamedTensors& tensors);

}  // namespace heed
