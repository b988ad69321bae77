#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "heed/io/gguf.h"

namespace heed::internal {

/// A type of tensors by the format's number: blocks of `block_elements` numbers in `block_bytes`.
struct GgufTensorType {
  uint32_t number;
  std::string_view name;
  int64_t block_elements;
  int64_t block_bytes;
  std::optional<BlockKind> kind;  // what Heed computes with
  std::optional<DType> dtype;     // plain numbers
};

/// Nothing for a number that the format does not know.
const GgufTensorType* gguf_type(uint32_t number);
const GgufTensorType* gguf_type(std::string_view name);
const GgufTensorType& gguf_type(BlockKind kind);

/// Bytes of a value that has a fixed size; 0 for strings and arrays.
int64_t gguf_value_bytes(Gguf::Type type);

/// The first bytes of a file.
constexpr std::string_view kGgufMagic = "GGUF";
/// Where data begin if the file does not say: at multiples of so many bytes.
constexpr int64_t kGgufAlignment = 32;
constexpr const char* kGgufAlignmentKey = "general.alignment";

struct GgufHeader {
  Gguf::Metadata metadata;
  Gguf::Tensors tensors;
};

/// Reads and checks the header of a whole file: counts, lengths and types before they are used;
/// keys and names once; tensors aligned, of whole blocks, inside the file and apart. Errors as
/// Gguf::open's; they begin with `where`.
GgufHeader parse_gguf(std::span<const std::byte> file, std::string_view where);

}  // namespace heed::internal
