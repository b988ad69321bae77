#include "heed/io/gguf_write.h"

#include <set>

#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/message.h"
#include "heed/io/gguf_format.h"

namespace heed {
namespace {

constexpr uint32_t kVersion = 3;
constexpr size_t kMaxTensorName = 63;  // llama.cpp's ggml_tensor has 64 bytes for it

template <class T>
std::string raw(T value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

/// Length and bytes.
std::string raw(std::string_view text) {
  return raw(static_cast<uint64_t>(text.size())).append(text);
}

int64_t aligned(int64_t bytes) {
  return (bytes + internal::kGgufAlignment - 1) / internal::kGgufAlignment *
         internal::kGgufAlignment;
}

int64_t bytes_of(const GgufWriter::TensorData& tensor) {
  const internal::GgufTensorType& type = internal::gguf_type(tensor.kind);
  return tensor.shape.numel() / type.block_elements * type.block_bytes;
}

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::invalid_argument, "write GGUF: " + what);
}

}  // namespace

void GgufWriter::add(std::string_view key, Gguf::Type type, std::string bytes) {
  fields_.push_back({std::string(key), raw(static_cast<uint32_t>(type)) + std::move(bytes)});
}

template <class T>
void GgufWriter::add_list(std::string_view key, Gguf::Type element, std::span<const T> values) {
  std::string bytes = raw(static_cast<uint32_t>(element)) + raw(uint64_t{values.size()});
  for (const T& value : values) bytes += raw(value);
  add(key, Gguf::Type::array, std::move(bytes));
}

void GgufWriter::add_text(std::string_view key, std::string_view value) {
  add(key, Gguf::Type::string, raw(value));
}
void GgufWriter::add_u32(std::string_view key, uint32_t value) {
  add(key, Gguf::Type::u32, raw(value));
}
void GgufWriter::add_f32(std::string_view key, float value) {
  add(key, Gguf::Type::f32, raw(value));
}
void GgufWriter::add_boolean(std::string_view key, bool value) {
  add(key, Gguf::Type::boolean, raw(static_cast<uint8_t>(value)));
}
void GgufWriter::add_texts(std::string_view key, std::span<const std::string> values) {
  std::vector<std::string_view> texts(values.begin(), values.end());
  add_list(key, Gguf::Type::string, std::span<const std::string_view>(texts));
}
void GgufWriter::add_i32s(std::string_view key, std::span<const int32_t> values) {
  add_list(key, Gguf::Type::i32, values);
}
void GgufWriter::add_f32s(std::string_view key, std::span<const float> values) {
  add_list(key, Gguf::Type::f32, values);
}

void GgufWriter::add_value(std::string_view key, const Gguf::Value& value) {
  std::string bytes;
  if (value.type == Gguf::Type::array) {
    bytes = raw(static_cast<uint32_t>(value.element)) + raw(static_cast<uint64_t>(value.count));
  }
  bytes.append(reinterpret_cast<const char*>(value.bytes.data()), value.bytes.size());
  add(key, value.type, std::move(bytes));
}

void GgufWriter::check() const {
  std::set<std::string_view> keys;
  for (const Field& field : fields_) {
    if (field.key.empty()) refuse("a metadata key is empty");
    if (!keys.insert(field.key).second)
      refuse("metadata " + in_quotes(field.key) + " is given twice");
  }
  std::set<std::string_view> names;
  for (const TensorData& tensor : tensors_) {
    const std::string name = "tensor " + in_quotes(tensor.name);
    if (tensor.name.empty()) refuse("a tensor's name is empty");
    if (tensor.name.size() > kMaxTensorName) refuse(name + " has a name of more than 63 bytes");
    if (!names.insert(tensor.name).second) refuse(name + " is given twice");
    if (tensor.shape.rank() < 1 || tensor.shape.rank() > 4) {
      refuse(name + " must have 1 to 4 dimensions but is " + to_string(tensor.shape));
    }
    const internal::GgufTensorType& type = internal::gguf_type(tensor.kind);
    if (tensor.shape[-1] % type.block_elements != 0) {
      refuse(name + " " + to_string(tensor.shape) + " has rows that are no whole blocks of " +
             std::string(type.name) + ", which have " + std::to_string(type.block_elements));
    }
  }
}

std::string GgufWriter::header() const {
  std::string out(internal::kGgufMagic);
  out += raw(kVersion) + raw(uint64_t{tensors_.size()}) + raw(uint64_t{fields_.size()});
  for (const Field& field : fields_) out += raw(std::string_view(field.key)) + field.bytes;
  int64_t offset = 0;
  for (const TensorData& tensor : tensors_) {
    out += raw(std::string_view(tensor.name)) + raw(static_cast<uint32_t>(tensor.shape.rank()));
    for (int i = tensor.shape.rank() - 1; i >= 0; --i) out += raw(tensor.shape[i]);
    out += raw(internal::gguf_type(tensor.kind).number) + raw(offset);
    offset += aligned(bytes_of(tensor));
  }
  out.resize(static_cast<size_t>(aligned(static_cast<int64_t>(out.size()))), '\0');
  return out;
}

void GgufWriter::write(const std::filesystem::path& path, const Progress& progress) const {
  check();
  int64_t total = 0;
  for (const TensorData& tensor : tensors_) total += bytes_of(tensor);
  AtomicFile file(path);
  file.write(header());
  int64_t done = 0;
  for (const TensorData& tensor : tensors_) {
    const int64_t end = done + bytes_of(tensor);
    tensor.data([&](std::span<const std::byte> piece) {
      check_cancelled();
      file.write(piece);
      done += static_cast<int64_t>(piece.size());
      if (progress) progress(done, total);
    });
    HEED_ASSERT(done == end);
    const int64_t bytes = bytes_of(tensor);
    file.write(std::string(static_cast<size_t>(aligned(bytes) - bytes), '\0'));
  }
  file.commit();
}

}  // namespace heed
