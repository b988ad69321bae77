#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "heed/tensor/tensor.h"

namespace heed::internal {

/// What the head of a .npy file says of the array that follows.
struct NpyHeader {
  DType dtype = DType::f32;
  bool swapped = false;  // big-endian
  bool fortran_order = false;
  Shape shape;
  int64_t data_offset_bytes = 0;
  int64_t data_bytes = 0;
};

/// Reads the magic, the version and the dictionary at the start of `bytes`, which may end anywhere
/// after them. Error corrupt_data; unsupported for dtypes Heed has not (complex, objects, records).
NpyHeader parse_npy_header(std::string_view bytes, std::string_view where);

/// The most bytes that parse_npy_header() looks at.
constexpr int64_t kMaxNpyHeaderBytes = 12 + (int64_t{1} << 16);

/// The head that NumPy itself writes for a C-ordered array. bf16 and the 8-bit floats, which NumPy
/// has not, become unsigned integers of their bits.
std::string npy_header(const Shape& shape, DType dtype);

/// An array from the data after the header (data.size() is header.data_bytes): row-major, native.
Tensor npy_tensor(const NpyHeader& header, std::string_view data);

}  // namespace heed::internal
