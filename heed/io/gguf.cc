#include "heed/io/gguf.h"

#include <cstring>
#include <fstream>
#include <limits>

#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/message.h"
#include "heed/base/paths.h"
#include "heed/io/gguf_format.h"

namespace heed {
namespace {

using Type = Gguf::Type;

template <class T>
T element_at(const Gguf::Value& value, int64_t i) {
  T element;
  std::memcpy(&element, value.bytes.data() + static_cast<size_t>(i) * sizeof(T), sizeof(T));
  return element;
}

bool is_string(Type type) { return type == Type::string; }
bool is_boolean(Type type) { return type == Type::boolean; }
bool is_integer(Type type) {
  return type != Type::f32 && type != Type::f64 && type != Type::boolean && type != Type::string &&
         type != Type::array;
}

bool is_number(Type type) { return is_integer(type) || type == Type::f32 || type == Type::f64; }

/// Element i of integers; nothing if it is beyond 2^63 - 1.
std::optional<int64_t> integer_at(const Gguf::Value& value, int64_t i) {
  switch (value.element) {
    case Type::u8:
      return element_at<uint8_t>(value, i);
    case Type::i8:
      return element_at<int8_t>(value, i);
    case Type::u16:
      return element_at<uint16_t>(value, i);
    case Type::i16:
      return element_at<int16_t>(value, i);
    case Type::u32:
      return element_at<uint32_t>(value, i);
    case Type::i32:
      return element_at<int32_t>(value, i);
    case Type::i64:
      return element_at<int64_t>(value, i);
    default:
      break;
  }
  const auto wide = element_at<uint64_t>(value, i);
  if (wide > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) return std::nullopt;
  return static_cast<int64_t>(wide);
}

double number_at(const Gguf::Value& value, int64_t i) {
  if (value.element == Type::f32) return element_at<float>(value, i);
  if (value.element == Type::f64) return element_at<double>(value, i);
  if (value.element == Type::u64) return static_cast<double>(element_at<uint64_t>(value, i));
  return static_cast<double>(*integer_at(value, i));
}

std::string_view name_of(Type type) {
  constexpr std::string_view kNames[] = {"u8",   "i8",     "u16",  "i16", "u32", "i32", "f32",
                                         "bool", "string", "list", "u64", "i64", "f64"};
  return kNames[static_cast<size_t>(type)];
}

}  // namespace

struct Gguf::Impl {
  std::string where;
  std::shared_ptr<Storage> content;
  std::shared_ptr<const MappedFile> mapped;  // null for content in memory
  internal::GgufHeader header;

  Impl(std::string where_, std::shared_ptr<Storage> content_,
       std::shared_ptr<const MappedFile> mapped_)
      : where(std::move(where_)), content(std::move(content_)), mapped(std::move(mapped_)) {
    header = internal::parse_gguf({content->data(), static_cast<size_t>(content->bytes())}, where);
  }

  [[noreturn]] void refuse(std::string_view key, const char* needed, const Value& value) const {
    throw Error(ErrorCode::corrupt_data, where + ": metadata " + in_quotes(key) + " must be " +
                                             needed + " but is " + describe(value));
  }

  /// The value if it is there and its element type is accepted.
  template <class Accept>
  const Value* find(std::string_view key, bool list, Accept accept, const char* needed) const {
    const auto found = header.metadata.find(key);
    if (found == header.metadata.end()) return nullptr;
    const Value& value = found->second;
    if ((value.type == Type::array) != list || !accept(value.element)) refuse(key, needed, value);
    return &value;
  }

  int64_t integer(std::string_view key, const Value& value, int64_t i) const {
    const std::optional<int64_t> integer = integer_at(value, i);
    if (!integer) refuse(key, "at most 2^63 - 1", value);
    return *integer;
  }
};

Gguf Gguf::open(const std::filesystem::path& path) {
  auto mapped = MappedFile::open(path);
  const auto bytes = mapped->bytes();
  auto content = Storage::borrow(bytes.data(), static_cast<int64_t>(bytes.size()), mapped);
  return Gguf(std::make_shared<Impl>(path.string(), std::move(content), std::move(mapped)));
}

Gguf Gguf::parse(std::shared_ptr<Storage> content, const std::string& where) {
  return Gguf(std::make_shared<Impl>(where, std::move(content), nullptr));
}

const Gguf::Metadata& Gguf::metadata() const { return impl_->header.metadata; }
const Gguf::Tensors& Gguf::tensors() const { return impl_->header.tensors; }
const std::string& Gguf::where() const { return impl_->where; }

bool Gguf::has(std::string_view key) const { return metadata().contains(key); }

std::optional<std::string_view> Gguf::text(std::string_view key) const {
  const Value* value = impl_->find(key, false, is_string, "a string");
  if (value == nullptr) return std::nullopt;
  const auto* start = reinterpret_cast<const char*>(value->bytes.data());
  return std::string_view(start, value->bytes.size()).substr(sizeof(uint64_t));
}

std::optional<int64_t> Gguf::integer(std::string_view key) const {
  const Value* value = impl_->find(key, false, is_integer, "an integer");
  if (value == nullptr) return std::nullopt;
  return impl_->integer(key, *value, 0);
}

std::optional<double> Gguf::number(std::string_view key) const {
  const Value* value = impl_->find(key, false, is_number, "a number");
  if (value == nullptr) return std::nullopt;
  return number_at(*value, 0);
}

std::optional<bool> Gguf::boolean(std::string_view key) const {
  const Value* value = impl_->find(key, false, is_boolean, "true or false");
  if (value == nullptr) return std::nullopt;
  return value->bytes[0] != std::byte{0};
}

std::optional<std::vector<std::string_view>> Gguf::texts(std::string_view key) const {
  const Value* value = impl_->find(key, true, is_string, "a list of strings");
  if (value == nullptr) return std::nullopt;
  std::vector<std::string_view> texts;
  texts.reserve(static_cast<size_t>(value->count));
  const std::byte* at = value->bytes.data();  // lengths were checked when the file was read
  for (int64_t i = 0; i < value->count; ++i) {
    uint64_t length = 0;
    std::memcpy(&length, at, sizeof(length));
    at += sizeof(length);
    texts.emplace_back(reinterpret_cast<const char*>(at), length);
    at += length;
  }
  return texts;
}

std::optional<std::vector<int64_t>> Gguf::integers(std::string_view key) const {
  const Value* value = impl_->find(key, true, is_integer, "a list of integers");
  if (value == nullptr) return std::nullopt;
  std::vector<int64_t> integers(static_cast<size_t>(value->count));
  for (int64_t i = 0; i < value->count; ++i) {
    integers[static_cast<size_t>(i)] = impl_->integer(key, *value, i);
  }
  return integers;
}

std::optional<std::vector<double>> Gguf::numbers(std::string_view key) const {
  const Value* value = impl_->find(key, true, is_number, "a list of numbers");
  if (value == nullptr) return std::nullopt;
  std::vector<double> numbers(static_cast<size_t>(value->count));
  for (int64_t i = 0; i < value->count; ++i) {
    numbers[static_cast<size_t>(i)] = number_at(*value, i);
  }
  return numbers;
}

std::optional<std::vector<bool>> Gguf::booleans(std::string_view key) const {
  const Value* value = impl_->find(key, true, is_boolean, "a list of true or false");
  if (value == nullptr) return std::nullopt;
  std::vector<bool> booleans;
  for (const std::byte byte : value->bytes) booleans.push_back(byte != std::byte{0});
  return booleans;
}

const Gguf::Entry& Gguf::entry(const std::string& name) const {
  const auto found = tensors().find(name);
  if (found != tensors().end()) return found->second;
  std::vector<std::string> names;
  for (const auto& [known, tensor] : tensors()) names.push_back(known);
  const std::vector<std::string> meant = closest(name, names);
  throw Error(ErrorCode::not_found,
              where() + ": needed tensor " + in_quotes(name) + ", found " +
                  std::to_string(names.size()) + " others" +
                  (meant.empty() ? std::string() : "; the nearest: " + listed(meant)));
}

Tensor Gguf::load(const std::string& name) const {
  const Entry& tensor = entry(name);
  const std::optional<DType> dtype = internal::gguf_type(tensor.type)->dtype;
  if (!dtype) {
    throw Error(ErrorCode::unsupported, where() + ": tensor " + in_quotes(name) + " is " +
                                            tensor.type +
                                            ", needed plain numbers (F32, F16, BF16)");
  }
  return Tensor::view(impl_->content, tensor.offset_bytes, tensor.shape, *dtype);
}

BlockMatrix Gguf::matrix(const std::string& name) const {
  const Entry& tensor = entry(name);
  if (!tensor.kind) {
    throw Error(ErrorCode::unsupported,
                where() + ": tensor " + in_quotes(name) + " is " + tensor.type +
                    "; Heed computes with F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K, "
                    "Q5_K and Q6_K: write the file anew as one of these");
  }
  if (tensor.shape.rank() != 2) {
    throw Error(ErrorCode::corrupt_data, where() + ": tensor " + in_quotes(name) +
                                             " must be a matrix but is " + to_string(tensor.shape));
  }
  const internal::GgufTensorType& type = internal::gguf_type(*tensor.kind);
  return {.kind = *tensor.kind,
          .rows = tensor.shape[0],
          .columns = tensor.shape[1],
          .data = tensor.bytes.data(),
          .row_bytes = tensor.shape[1] / type.block_elements * type.block_bytes,
          .owner = impl_};
}

void Gguf::release(const std::string& name) const {
  const auto found = tensors().find(name);
  if (found == tensors().end() || impl_->mapped == nullptr) return;
  impl_->mapped->release(found->second.offset_bytes,
                         static_cast<int64_t>(found->second.bytes.size()));
}

std::string describe(const Gguf::Value& value) {
  if (value.type != Type::array) return std::string(name_of(value.type));
  return "a list of " + std::string(name_of(value.element));
}

bool is_gguf(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) return false;
  if (ending_of(path) == ".gguf") return true;
  if (!std::filesystem::is_regular_file(path, error)) return false;  // a pipe would lose its start
  char start[internal::kGgufMagic.size()] = {};
  std::ifstream(path, std::ios::binary).read(start, sizeof(start));
  return std::string_view(start, sizeof(start)) == internal::kGgufMagic;
}

}  // namespace heed
