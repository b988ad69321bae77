#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "heed/tensor/block_matrix.h"
#include "heed/tensor/tensor.h"

namespace heed {

/// A GGUF file, llama.cpp's format (versions 2 and 3, little-endian): metadata by key and tensors
/// by name, mapped, not read. Copies share the mapping; views of the file (string_view, span) stay
/// valid while a copy lives. The file must not be cut while it is in use.
class Gguf {
 public:
  /// Of metadata, by the format's numbers.
  enum class Type : uint32_t {
    u8,
    i8,
    u16,
    i16,
    u32,
    i32,
    f32,
    boolean,
    string,
    array,
    u64,
    i64,
    f64
  };

  struct Value {
    Type type = Type::u8;
    Type element = Type::u8;           // an array's elements' type; otherwise `type`
    int64_t count = 1;                 // an array's elements; otherwise 1
    std::span<const std::byte> bytes;  // the value or the elements, as the file has them
  };

  struct Entry {
    std::string type;               // as llama.cpp calls it: "Q4_1"
    std::optional<BlockKind> kind;  // nothing for types that Heed cannot compute with
    Shape shape;                    // as NumPy's: the contiguous dimension last
    int64_t offset_bytes = 0;       // of its first byte in the file
    std::span<const std::byte> bytes;
  };

  using Metadata = std::map<std::string, Value, std::less<>>;
  using Tensors = std::map<std::string, Entry, std::less<>>;

  /// Error not_found; corrupt_data for what breaks the format, told with what was needed and found;
  /// unsupported for other versions, big-endian files and lists of lists.
  static Gguf open(const std::filesystem::path& path);
  /// A file's content in memory; `where` names it in errors.
  static Gguf parse(std::shared_ptr<Storage> content, const std::string& where);

  /// In key order.
  const Metadata& metadata() const;
  /// In name order.
  const Tensors& tensors() const;
  /// The path, or what parse() was told.
  const std::string& where() const;

  // Metadata by key: nothing where the key is absent, Error corrupt_data for a value of another
  // type. Integers are of any width and numbers may be integers.
  bool has(std::string_view key) const;
  std::optional<std::string_view> text(std::string_view key) const;
  std::optional<int64_t> integer(std::string_view key) const;
  std::optional<double> number(std::string_view key) const;
  std::optional<bool> boolean(std::string_view key) const;
  std::optional<std::vector<std::string_view>> texts(std::string_view key) const;
  std::optional<std::vector<int64_t>> integers(std::string_view key) const;
  std::optional<std::vector<double>> numbers(std::string_view key) const;
  std::optional<std::vector<bool>> booleans(std::string_view key) const;

  /// A tensor whose elements are numbers of a DType (F32, F16, BF16, F64, I8 to I64), as a view of
  /// the file. Error not_found names close matches; unsupported for blocks of quantised numbers.
  Tensor load(const std::string& name) const;
  /// A matrix [N, K] of any kind that Heed computes with, in the file's memory. Error not_found;
  /// unsupported for other kinds; corrupt_data if it is no matrix.
  BlockMatrix matrix(const std::string& name) const;
  /// Gives the mapped pages of a tensor back to the system; views of it stay valid. Nothing happens
  /// for an unknown name or content in memory.
  void release(const std::string& name) const;

 private:
  struct Impl;
  explicit Gguf(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  const Entry& entry(const std::string& name) const;
  std::shared_ptr<const Impl> impl_;
};

/// "string", "u32", "a list of f32".
std::string describe(const Gguf::Value& value);

/// Whether a path is to be read as GGUF: a file that begins as one, or is named so (.gguf).
bool is_gguf(const std::filesystem::path& path);

}  // namespace heed
