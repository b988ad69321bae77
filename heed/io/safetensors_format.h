#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "heed/tensor/tensor.h"

namespace heed::internal {

/// The largest header that the format's reference reads, in bytes.
constexpr int64_t kMaxHeaderBytes = 100'000'000;

/// The DType that holds what a header calls `name` ("F32"); nothing if Heed has none.
std::optional<DType> held_dtype(std::string_view name);
/// What a header calls dtype.
std::string_view format_name(DType dtype);

struct HeaderTensor {
  std::string name;
  std::string dtype;
  Shape shape;
  int64_t offset_bytes = 0;  // from the start of the file
  int64_t bytes = 0;
};

struct Header {
  std::vector<HeaderTensor> tensors;  // in the order of their data
  std::map<std::string, std::string> metadata;
};

/// Reads and checks the header of a whole file as the format's reference does: 8 bytes with the
/// header's length, JSON that begins with '{', then data that the tensors cover without holes or
/// overlaps. Error corrupt_data (unsupported for more than Shape::kMaxRank dimensions) begins with
/// `where`.
Header parse_header(std::span<const std::byte> file, std::string_view where);

}  // namespace heed::internal
