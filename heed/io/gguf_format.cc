#include "heed/io/gguf_format.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>

#include "heed/base/error.h"
#include "heed/base/message.h"

namespace heed::internal {
namespace {

static_assert(std::endian::native == std::endian::little,
              "GGUF is little-endian and used where it lies");

constexpr std::optional<BlockKind> kNoKind;
constexpr std::optional<DType> kNoDType;

/// All that files may hold (gguf-py 0.19's constants).
constexpr GgufTensorType kTensorTypes[] = {
    {0, "F32", 1, 4, BlockKind::f32, DType::f32},
    {1, "F16", 1, 2, BlockKind::f16, DType::f16},
    {2, "Q4_0", 32, 18, BlockKind::q4_0, kNoDType},
    {3, "Q4_1", 32, 20, BlockKind::q4_1, kNoDType},
    {6, "Q5_0", 32, 22, BlockKind::q5_0, kNoDType},
    {7, "Q5_1", 32, 24, BlockKind::q5_1, kNoDType},
    {8, "Q8_0", 32, 34, BlockKind::q8_0, kNoDType},
    {10, "Q2_K", 256, 84, kNoKind, kNoDType},
    {11, "Q3_K", 256, 110, kNoKind, kNoDType},
    {12, "Q4_K", 256, 144, BlockKind::q4_k, kNoDType},
    {13, "Q5_K", 256, 176, BlockKind::q5_k, kNoDType},
    {14, "Q6_K", 256, 210, BlockKind::q6_k, kNoDType},
    {16, "IQ2_XXS", 256, 66, kNoKind, kNoDType},
    {17, "IQ2_XS", 256, 74, kNoKind, kNoDType},
    {18, "IQ3_XXS", 256, 98, kNoKind, kNoDType},
    {19, "IQ1_S", 256, 50, kNoKind, kNoDType},
    {20, "IQ4_NL", 32, 18, kNoKind, kNoDType},
    {21, "IQ3_S", 256, 110, kNoKind, kNoDType},
    {22, "IQ2_S", 256, 82, kNoKind, kNoDType},
    {23, "IQ4_XS", 256, 136, kNoKind, kNoDType},
    {24, "I8", 1, 1, kNoKind, DType::i8},
    {25, "I16", 1, 2, kNoKind, DType::i16},
    {26, "I32", 1, 4, kNoKind, DType::i32},
    {27, "I64", 1, 8, kNoKind, DType::i64},
    {28, "F64", 1, 8, kNoKind, DType::f64},
    {29, "IQ1_M", 256, 56, kNoKind, kNoDType},
    {30, "BF16", 1, 2, BlockKind::bf16, DType::bf16},
    {34, "TQ1_0", 256, 54, kNoKind, kNoDType},
    {35, "TQ2_0", 256, 66, kNoKind, kNoDType},
    {39, "MXFP4", 32, 17, kNoKind, kNoDType},
    {40, "NVFP4", 64, 36, kNoKind, kNoDType},
    {41, "Q1_0", 128, 18, kNoKind, kNoDType},
};

template <class Predicate>
const GgufTensorType* find_type(Predicate predicate) {
  const auto* found = std::find_if(std::begin(kTensorTypes), std::end(kTensorTypes), predicate);
  return found == std::end(kTensorTypes) ? nullptr : found;
}

constexpr uint64_t kMaxNameBytes = 65535;  // of keys and tensors' names
constexpr uint32_t kMaxRank = 4;           // ggml's
constexpr int64_t kMaxAlignment = 1 << 20;
// the least that an entry takes: length and a character, type, value; length, rank, type, offset
constexpr uint64_t kMinKeyBytes = 8 + 1 + 4 + 1;
constexpr uint64_t kMinTensorBytes = 8 + 1 + 4 + 4 + 8;

/// Parses one header; members share where errors begin and how far the reading is.
class HeaderParser {
 public:
  HeaderParser(std::span<const std::byte> file, std::string_view where)
      : file_(file), where_(where) {}

  GgufHeader parse() {
    check_magic();
    const auto tensors = number<uint64_t>("the number of tensors");
    const auto keys = number<uint64_t>("the number of metadata keys");
    check_count(keys, kMinKeyBytes, "metadata keys");
    check_count(tensors, kMinTensorBytes, "tensors");
    GgufHeader header;
    for (uint64_t i = 0; i < keys; ++i) read_key(header.metadata);
    const int64_t alignment = read_alignment(header.metadata);
    for (uint64_t i = 0; i < tensors; ++i) read_tensor(header.tensors);
    place_tensors(header.tensors, alignment);
    return header;
  }

 private:
  [[noreturn]] void fail(const std::string& found) const {
    throw Error(ErrorCode::corrupt_data, where_ + ": " + found);
  }
  [[noreturn]] void fail(std::string_view tensor, const std::string& found) const {
    fail("tensor " + in_quotes(tensor) + ": " + found);
  }
  [[noreturn]] void refuse(const std::string& found) const {
    throw Error(ErrorCode::unsupported, where_ + ": " + found);
  }

  uint64_t left() const { return file_.size() - at_; }

  std::span<const std::byte> bytes(uint64_t size, const char* what) {
    if (size > left()) {
      fail(std::string(what) + " needs " + std::to_string(size) + " bytes at byte " +
           std::to_string(at_) + ", but " + std::to_string(left()) +
           " follow: the file is truncated or damaged; fetch it again");
    }
    const auto taken = file_.subspan(at_, size);
    at_ += size;
    return taken;
  }

  template <class T>
  T number(const char* what) {
    T value;
    std::memcpy(&value, bytes(sizeof(T), what).data(), sizeof(T));
    return value;
  }

  std::string_view string(const char* what, uint64_t most) {
    const auto length = number<uint64_t>(what);
    if (length > most) {
      fail(std::string(what) + " would have " + std::to_string(length) + " bytes, needed at most " +
           std::to_string(most));
    }
    const auto content = bytes(length, what);
    return {reinterpret_cast<const char*>(content.data()), content.size()};
  }

  std::string name(const char* what) {
    const std::string_view text = string(what, kMaxNameBytes);
    if (text.empty()) fail(std::string(what) + " is empty");
    return std::string(text);
  }

  void check_magic() {
    if (file_.size() < 24) {
      fail("needed a GGUF file (24 bytes and more), found " + std::to_string(file_.size()) +
           " bytes; fetch the file again");
    }
    const auto magic = bytes(kGgufMagic.size(), "the format's mark");
    const std::string_view start(reinterpret_cast<const char*>(magic.data()), magic.size());
    if (start != kGgufMagic) {
      fail("needed a GGUF file, which begins with GGUF, found " + in_quotes(start) +
           (start == "vers" ? ", a git-lfs pointer to one; run `git lfs pull` there" : ""));
    }
    const auto version = number<uint32_t>("the version");
    if (version == 2 || version == 3) return;
    const uint32_t swapped = __builtin_bswap32(version);
    if (swapped == 2 || swapped == 3)
      refuse("a big-endian GGUF file; Heed reads little-endian ones");
    refuse("GGUF version " + std::to_string(version) +
           "; Heed reads 2 and 3: write the file anew with a current llama.cpp");
  }

  /// Before anything is allocated for them.
  void check_count(uint64_t count, uint64_t least_bytes, const char* what) const {
    if (count <= left() / least_bytes) return;
    fail("says that it has " + std::to_string(count) + " " + what + ", which the " +
         std::to_string(left()) + " bytes that follow cannot hold: the file is damaged");
  }

  Gguf::Type value_type(std::string_view key) {
    const auto type = number<uint32_t>("a metadata type");
    if (type > static_cast<uint32_t>(Gguf::Type::f64)) {
      fail("metadata " + in_quotes(key) + " is of type " + std::to_string(type) +
           ", needed 0 to 12");
    }
    return static_cast<Gguf::Type>(type);
  }

  /// The bytes of `count` values from here on.
  std::span<const std::byte> values(Gguf::Type type, uint64_t count) {
    const size_t begin = at_;
    if (type == Gguf::Type::string) {
      check_count(count, 8, "strings in a list");
      for (uint64_t i = 0; i < count; ++i) string("a metadata string", left());
    } else {
      const auto size = static_cast<uint64_t>(gguf_value_bytes(type));
      check_count(count, size, "numbers in a list");
      bytes(count * size, "a metadata value");
    }
    return file_.subspan(begin, at_ - begin);
  }

  void read_key(Gguf::Metadata& metadata) {
    std::string key = name("a metadata key");
    Gguf::Value value;
    value.type = value.element = value_type(key);
    uint64_t count = 1;
    if (value.type == Gguf::Type::array) {
      value.element = value_type(key);
      if (value.element == Gguf::Type::array) {
        refuse("metadata " + in_quotes(key) + " is a list of lists, which no model needs");
      }
      count = number<uint64_t>("a list's length");
    }
    value.bytes = values(value.element, count);
    value.count = static_cast<int64_t>(count);
    const auto [at, is_new] = metadata.try_emplace(std::move(key), value);
    if (!is_new) fail("has the metadata key " + in_quotes(at->first) + " twice");
  }

  int64_t read_alignment(const Gguf::Metadata& metadata) const {
    const auto found = metadata.find(kGgufAlignmentKey);
    if (found == metadata.end()) return kGgufAlignment;
    uint32_t alignment = 0;
    if (found->second.type == Gguf::Type::u32) {
      std::memcpy(&alignment, found->second.bytes.data(), sizeof(alignment));
    }
    if (alignment < 8 || alignment > kMaxAlignment || !std::has_single_bit(alignment)) {
      fail(std::string(kGgufAlignmentKey) + " must be a u32 and a power of two from 8 to " +
           std::to_string(kMaxAlignment) + " but is " +
           (found->second.type == Gguf::Type::u32 ? std::to_string(alignment)
                                                  : describe(found->second)));
    }
    return alignment;
  }

  void read_tensor(Gguf::Tensors& tensors) {
    std::string key = name("a tensor's name");
    Gguf::Entry tensor;
    tensor.shape = read_shape(key);
    const auto number_of_type = number<uint32_t>("a tensor's type");
    const GgufTensorType* type = gguf_type(number_of_type);
    if (type == nullptr) {
      refuse("tensor " + in_quotes(key) + " is of type " + std::to_string(number_of_type) +
             ", which is not among those that Heed knows");
    }
    tensor.type = type->name;
    tensor.kind = type->kind;
    const uint64_t size = size_of_data(key, tensor.shape, *type);
    const auto offset = number<uint64_t>("a tensor's offset");
    // where the data begin is known after the last tensor's entry: until then the offset is theirs
    if (offset > file_.size() || size > file_.size() - offset) {
      fail(key, tensor.type + " " + to_string(tensor.shape) + " needs " + std::to_string(size) +
                    " bytes at " + std::to_string(offset) +
                    " of the data, past the end of the file: it is truncated or damaged");
    }
    tensor.offset_bytes = static_cast<int64_t>(offset);
    tensor.bytes = file_.first(size);
    const auto [at, is_new] = tensors.try_emplace(std::move(key), std::move(tensor));
    if (!is_new) fail("has the tensor " + in_quotes(at->first) + " twice");
  }

  /// The file has the contiguous dimension first.
  Shape read_shape(std::string_view key) {
    const auto rank = number<uint32_t>("a tensor's rank");
    if (rank > kMaxRank) {
      fail(key, "has " + std::to_string(rank) + " dimensions, needed at most " +
                    std::to_string(kMaxRank));
    }
    int64_t sizes[kMaxRank] = {};
    for (uint32_t i = 0; i < rank; ++i) {
      const auto size = number<uint64_t>("a tensor's dimension");
      if (size > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
        fail(key, "a dimension of " + std::to_string(size) + " is beyond 2^63 - 1");
      }
      sizes[rank - 1 - i] = static_cast<int64_t>(size);
    }
    return Shape(std::span<const int64_t>(sizes, rank));
  }

  uint64_t size_of_data(std::string_view key, const Shape& shape,
                        const GgufTensorType& type) const {
    // A size of 0 must not hide an overflow: strides multiply the others.
    int64_t blocks = 1;
    bool overflow = false;
    for (const int64_t size : shape) {
      overflow |= __builtin_mul_overflow(blocks, std::max<int64_t>(size, 1), &blocks);
    }
    int64_t bytes = 0;
    overflow |= __builtin_mul_overflow(blocks, type.block_bytes, &bytes);
    if (overflow) fail(key, "shape " + to_string(shape) + " overflows");
    const int64_t row = shape.rank() == 0 ? 1 : shape[-1];
    if (row % type.block_elements != 0) {
      fail(key, "rows of " + std::to_string(row) + " numbers are no whole blocks of " +
                    std::string(type.name) + ", which have " + std::to_string(type.block_elements));
    }
    if (std::find(shape.begin(), shape.end(), 0) != shape.end()) return 0;
    return static_cast<uint64_t>(bytes / type.block_elements);
  }

  /// From offsets in the data to places in the file: inside it, aligned, and apart.
  void place_tensors(Gguf::Tensors& tensors, int64_t alignment) const {
    const auto header = static_cast<int64_t>(at_);
    const int64_t begin = (header + alignment - 1) / alignment * alignment;
    const auto end = static_cast<int64_t>(file_.size());
    std::vector<const Gguf::Tensors::value_type*> order;
    for (auto& item : tensors) {
      Gguf::Entry& tensor = item.second;
      if (tensor.offset_bytes % alignment != 0) {
        fail(item.first, "begins at " + std::to_string(tensor.offset_bytes) +
                             " of the data, needed a multiple of " + std::to_string(alignment));
      }
      const auto size = static_cast<int64_t>(tensor.bytes.size());
      if (size > 0 && (begin > end - size || tensor.offset_bytes > end - size - begin)) {
        fail(item.first, tensor.type + " " + to_string(tensor.shape) + " needs " +
                             std::to_string(size) + " bytes at " +
                             std::to_string(tensor.offset_bytes) + " of the data, which have " +
                             std::to_string(std::max<int64_t>(end - begin, 0)) +
                             ": the file is truncated; fetch it again");
      }
      if (size == 0) {
        tensor.offset_bytes = std::min(begin, end);
        tensor.bytes = {};
        continue;
      }
      tensor.offset_bytes += begin;
      tensor.bytes = file_.subspan(static_cast<size_t>(tensor.offset_bytes), tensor.bytes.size());
      order.push_back(&item);
    }
    check_apart(order);
  }

  void check_apart(std::vector<const Gguf::Tensors::value_type*>& order) const {
    std::ranges::sort(order, {}, [](const auto* item) { return item->second.offset_bytes; });
    for (size_t i = 1; i < order.size(); ++i) {
      const Gguf::Entry& before = order[i - 1]->second;
      const int64_t free = before.offset_bytes + static_cast<int64_t>(before.bytes.size());
      const int64_t overlap = free - order[i]->second.offset_bytes;
      if (overlap > 0) {
        fail(order[i]->first, "overlaps " + in_quotes(order[i - 1]->first) + " by " +
                                  std::to_string(overlap) + " bytes");
      }
    }
  }

  std::span<const std::byte> file_;
  std::string where_;
  size_t at_ = 0;
};

}  // namespace

const GgufTensorType* gguf_type(uint32_t number) {
  return find_type([&](const GgufTensorType& type) { return type.number == number; });
}

const GgufTensorType* gguf_type(std::string_view name) {
  return find_type([&](const GgufTensorType& type) { return type.name == name; });
}

const GgufTensorType& gguf_type(BlockKind kind) {
  const auto* found = find_type([&](const GgufTensorType& type) { return type.kind == kind; });
  HEED_ASSERT(found != nullptr);
  return *found;
}

int64_t gguf_value_bytes(Gguf::Type type) {
  switch (type) {
    case Gguf::Type::u8:
    case Gguf::Type::i8:
    case Gguf::Type::boolean:
      return 1;
    case Gguf::Type::u16:
    case Gguf::Type::i16:
      return 2;
    case Gguf::Type::u32:
    case Gguf::Type::i32:
    case Gguf::Type::f32:
      return 4;
    case Gguf::Type::u64:
    case Gguf::Type::i64:
    case Gguf::Type::f64:
      return 8;
    case Gguf::Type::string:
    case Gguf::Type::array:
      return 0;
  }
  HEED_ASSERT(false);
}

GgufHeader parse_gguf(std::span<const std::byte> file, std::string_view where) {
  return HeaderParser(file, where).parse();
}

}  // namespace heed::internal
