#include "heed/io/safetensors_format.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/io/json.h"

namespace heed::internal {
namespace {

static_assert(std::endian::native == std::endian::little,
              "safetensors are little-endian and used where they lie");

struct FormatDType {
  std::string_view name;
  int bits;
  std::optional<DType> held;
};

/// All that the format's reference knows (safetensors 0.8).
constexpr FormatDType kDTypes[] = {
    {"BOOL", 8, DType::boolean},
    {"F4", 4, std::nullopt},
    {"F6_E2M3", 6, std::nullopt},
    {"F6_E3M2", 6, std::nullopt},
    {"U8", 8, DType::u8},
    {"I8", 8, DType::i8},
    {"F8_E5M2", 8, DType::f8_e5m2},
    {"F8_E4M3", 8, DType::f8_e4m3},
    {"F8_E8M0", 8, std::nullopt},
    {"F8_E4M3FNUZ", 8, std::nullopt},
    {"F8_E5M2FNUZ", 8, std::nullopt},
    {"I16", 16, DType::i16},
    {"U16", 16, DType::u16},
    {"F16", 16, DType::f16},
    {"BF16", 16, DType::bf16},
    {"I32", 32, DType::i32},
    {"U32", 32, DType::u32},
    {"F32", 32, DType::f32},
    {"C64", 64, std::nullopt},
    {"F64", 64, DType::f64},
    {"I64", 64, DType::i64},
    {"U64", 64, DType::u64},
};

const FormatDType* find_dtype(std::string_view name) {
  const auto* found = std::find_if(std::begin(kDTypes), std::end(kDTypes),
                                   [&](const FormatDType& dtype) { return dtype.name == name; });
  return found == std::end(kDTypes) ? nullptr : found;
}

/// Parses one header; members share where errors begin and how many bytes of data there are.
class HeaderParser {
 public:
  HeaderParser(std::span<const std::byte> file, std::string_view where)
      : file_(file), where_(where) {}

  Header parse() {
    const std::string_view text = header_text();
    const Json json = parse_json(text, where_ + " (header)", DuplicateKeys::refuse);
    data_begin_ = 8 + static_cast<int64_t>(text.size());
    Header header;
    for (const auto& [name, value] : json.items()) {
      if (name == "__metadata__") {
        header.metadata = parse_metadata(value);
      } else {
        header.tensors.push_back(parse_tensor(name, value));
      }
    }
    check_coverage(header.tensors);
    return header;
  }

 private:
  [[noreturn]] void fail(const std::string& found) const {
    throw Error(ErrorCode::corrupt_data, where_ + ": " + found);
  }
  [[noreturn]] void fail(const std::string& tensor, const std::string& found) const {
    fail("tensor " + in_quotes(tensor) + ": " + found);
  }

  std::string_view header_text() const {
    const auto size = static_cast<uint64_t>(file_.size());
    if (size < 8) {
      fail("needed a safetensors file (8 bytes with the header's length, header, data), found " +
           std::to_string(size) + " bytes; fetch the file again");
    }
    uint64_t length = 0;
    std::memcpy(&length, file_.data(), 8);
    const char* text = reinterpret_cast<const char*>(file_.data()) + 8;
    if (size > 8 && text[0] != '{') check_kind();
    if (length > kMaxHeaderBytes) {
      fail("the header would have " + std::to_string(length) + " bytes, needed at most " +
           std::to_string(kMaxHeaderBytes) + ": not a safetensors file, or a damaged one");
    }
    if (length > size - 8) {
      fail("the header has " + std::to_string(length) + " bytes but only " +
           std::to_string(size - 8) + " follow: the file is truncated; fetch it again");
    }
    if (length == 0 || text[0] != '{') {
      fail("the header must begin with '{', found " +
           (length == 0 ? "an empty header" : in_quotes(std::string_view(text, 1))));
    }
    return {text, length};
  }

  /// Files that people take for safetensors, told by their first bytes.
  void check_kind() const {
    const std::string_view start(reinterpret_cast<const char*>(file_.data()), 8);
    if (start == "version ") {
      fail("needed a safetensors file, found a git-lfs pointer to one; run `git lfs pull` there");
    }
    if (start.starts_with("GGUF")) {
      throw Error(ErrorCode::unsupported, where_ + ": needed a safetensors file, found GGUF");
    }
    if (start.starts_with("PK\3\4") || (start[0] == '\x80' && start[1] <= 5)) {
      throw Error(ErrorCode::unsupported,
                  where_ +
                      ": needed a safetensors file, found a pickle, which can run code and is "
                      "not read; convert it with transformers' save_pretrained");
    }
  }

  std::map<std::string, std::string> parse_metadata(const Json& value) const {
    if (!value.is_object()) fail("__metadata__ must be an object of strings");
    std::map<std::string, std::string> metadata;
    for (const auto& [key, text] : value.items()) {
      if (!text.is_string())
        fail("__metadata__ must hold strings, found another at " + in_quotes(key));
      metadata.emplace(key, text.get<std::string>());
    }
    return metadata;
  }

  HeaderTensor parse_tensor(const std::string& name, const Json& value) const {
    if (!value.is_object() || !value.contains("dtype") || !value.contains("shape") ||
        !value.contains("data_offsets")) {
      fail(name, "needed an object with dtype, shape and data_offsets");
    }
    HeaderTensor tensor;
    tensor.name = name;
    if (!value["dtype"].is_string()) fail(name, "dtype must be a string");
    tensor.dtype = value["dtype"].get<std::string>();
    tensor.shape = parse_shape(name, value["shape"]);
    const Json& offsets = value["data_offsets"];
    if (!offsets.is_array() || offsets.size() != 2) fail(name, "data_offsets must be [begin, end]");
    const int64_t begin = parse_size(name, "data_offsets", offsets[0]);
    const int64_t end = parse_size(name, "data_offsets", offsets[1]);
    check_extent(tensor, begin, end);
    tensor.offset_bytes = data_begin_ + begin;
    tensor.bytes = end - begin;
    return tensor;
  }

  Shape parse_shape(const std::string& name, const Json& value) const {
    if (!value.is_array()) fail(name, "shape must be a list of sizes");
    if (value.size() > Shape::kMaxRank) {
      throw Error(ErrorCode::unsupported, where_ + ": tensor " + in_quotes(name) +
                                              ": needed at most " +
                                              std::to_string(Shape::kMaxRank) +
                                              " dimensions, found " + std::to_string(value.size()));
    }
    Shape shape;
    for (const Json& size : value) shape.push_back(parse_size(name, "shape", size));
    return shape;
  }

  int64_t parse_size(const std::string& name, const char* field, const Json& value) const {
    constexpr auto kMost = static_cast<uint64_t>(std::numeric_limits<int64_t>::max());
    if (!value.is_number_unsigned() || value.get<uint64_t>() > kMost) {
      fail(name, std::string(field) + " must hold integers from 0 to 2^63 - 1, found " +
                     (value.is_number() ? value.dump() : value.type_name()));
    }
    return value.get<int64_t>();
  }

  /// begin <= end <= data, and end - begin = shape x dtype.
  void check_extent(const HeaderTensor& tensor, int64_t begin, int64_t end) const {
    const int64_t data_bytes = static_cast<int64_t>(file_.size()) - data_begin_;
    const std::string offsets = "[" + std::to_string(begin) + ", " + std::to_string(end) + "]";
    if (begin > end) fail(tensor.name, "data_offsets " + offsets + " end before they begin");
    if (end > data_bytes) {
      fail(tensor.name, "data_offsets " + offsets + " reach past the end of the data, which has " +
                            std::to_string(data_bytes) +
                            " bytes: the file is truncated or damaged; fetch it again");
    }
    const FormatDType* dtype = find_dtype(tensor.dtype);
    if (dtype == nullptr) fail(tensor.name, "unknown dtype " + in_quotes(tensor.dtype));
    int64_t bits = dtype->bits;
    bool overflow = false;
    for (const int64_t size : tensor.shape) {
      // A size of 0 must not hide an overflow: strides multiply the others.
      overflow |= __builtin_mul_overflow(bits, std::max<int64_t>(size, 1), &bits);
    }
    if (overflow) fail(tensor.name, "shape " + to_string(tensor.shape) + " overflows");
    if (std::find(tensor.shape.begin(), tensor.shape.end(), 0) != tensor.shape.end()) bits = 0;
    if (bits % 8 != 0 || bits / 8 != end - begin) {
      fail(tensor.name, tensor.dtype + " " + to_string(tensor.shape) + " needs " +
                            std::to_string((bits + 7) / 8) + " bytes, data_offsets " + offsets +
                            " give " + std::to_string(end - begin));
    }
  }

  /// In order of their data the tensors must touch, begin at 0 and end with the file.
  void check_coverage(std::vector<HeaderTensor>& tensors) const {
    std::sort(tensors.begin(), tensors.end(), [](const HeaderTensor& a, const HeaderTensor& b) {
      return std::pair(a.offset_bytes, a.bytes) < std::pair(b.offset_bytes, b.bytes);
    });
    int64_t covered = data_begin_;
    for (const HeaderTensor& tensor : tensors) {
      const int64_t gap = tensor.offset_bytes - covered;
      if (gap < 0) {
        fail(tensor.name, "overlaps the tensor before it by " + std::to_string(-gap) + " bytes");
      }
      if (gap > 0) {
        fail(tensor.name, std::to_string(gap) + " bytes before its data belong to no tensor");
      }
      covered += tensor.bytes;
    }
    if (covered != static_cast<int64_t>(file_.size())) {
      fail(std::to_string(static_cast<int64_t>(file_.size()) - covered) +
           " bytes at the end belong to no tensor");
    }
  }

  std::span<const std::byte> file_;
  std::string where_;
  int64_t data_begin_ = 0;
};

}  // namespace

std::optional<DType> held_dtype(std::string_view name) {
  const FormatDType* dtype = find_dtype(name);
  return dtype == nullptr ? std::nullopt : dtype->held;
}

std::string_view format_name(DType dtype) {
  const auto* found = std::find_if(std::begin(kDTypes), std::end(kDTypes),
                                   [&](const FormatDType& known) { return known.held == dtype; });
  HEED_ASSERT(found != std::end(kDTypes));
  return found->name;
}

Header parse_header(std::span<const std::byte> file, std::string_view where) {
  return HeaderParser(file, where).parse();
}

}  // namespace heed::internal
