#include "heed/io/npy_format.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cstring>

#include "heed/base/error.h"
#include "heed/base/message.h"

namespace heed::internal {
namespace {

static_assert(std::endian::native == std::endian::little, "'<' below is taken for native order");

constexpr std::string_view kMagic = "\x93NUMPY";

struct Kind {
  std::string_view code;  // NumPy's descr without the byte order
  DType dtype;
};
constexpr Kind kKinds[] = {
    {"f8", DType::f64}, {"f4", DType::f32}, {"f2", DType::f16}, {"i8", DType::i64},
    {"i4", DType::i32}, {"i2", DType::i16}, {"i1", DType::i8},  {"u8", DType::u64},
    {"u4", DType::u32}, {"u2", DType::u16}, {"u1", DType::u8},  {"b1", DType::boolean},
};

std::string_view code_of(DType dtype) {
  if (dtype == DType::bf16) return "u2";
  if (dtype == DType::f8_e4m3 || dtype == DType::f8_e5m2) return "u1";
  return std::find_if(std::begin(kKinds), std::end(kKinds),
                      [&](const Kind& kind) { return kind.dtype == dtype; })
      ->code;
}

/// Reads the dictionary, which NumPy writes as a Python literal:
/// {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
class DictionaryParser {
 public:
  DictionaryParser(std::string_view text, std::string_view where) : rest_(text), where_(where) {}

  NpyHeader parse() {
    expect('{');
    while (!take('}')) {
      parse_item();
      if (!take(',')) {
        expect('}');
        break;
      }
    }
    skip_blanks();
    if (!rest_.empty()) fail("needed the end of the header");
    if (!has_descr_ || !has_order_ || !has_shape_) {
      fail("needed descr, fortran_order and shape, found fewer");
    }
    return header_;
  }

 private:
  [[noreturn]] void fail(const std::string& needed) const {
    throw Error(ErrorCode::corrupt_data,
                std::string(where_) + ": " + needed + " in the header of a .npy file, at " +
                    (rest_.empty() ? "its end" : in_quotes(rest_.substr(0, 30))));
  }

  void parse_item() {
    const std::string_view key = string();
    expect(':');
    bool* seen = key == "descr"           ? &has_descr_
                 : key == "fortran_order" ? &has_order_
                 : key == "shape"         ? &has_shape_
                                          : nullptr;
    if (seen == nullptr) fail("unknown key " + in_quotes(key));
    if (*seen) fail("the key " + in_quotes(key) + " twice");
    *seen = true;
    if (seen == &has_descr_) parse_descr();
    if (seen == &has_order_) header_.fortran_order = boolean();
    if (seen == &has_shape_) parse_shape();
  }

  void parse_descr() {
    skip_blanks();
    if (rest_.starts_with('[')) refuse("a record");
    const std::string_view descr = string();
    const size_t order = std::string_view("<>|=").find(descr.empty() ? '\0' : descr[0]);
    if (order == std::string_view::npos) refuse(in_quotes(descr));
    const auto* kind = std::find_if(std::begin(kKinds), std::end(kKinds),
                                    [&](const Kind& k) { return k.code == descr.substr(1); });
    if (kind == std::end(kKinds)) refuse(in_quotes(descr));
    header_.dtype = kind->dtype;
    header_.swapped = descr[0] == '>' && size_of(kind->dtype) > 1;
  }

  [[noreturn]] void refuse(const std::string& descr) const {
    throw Error(ErrorCode::unsupported,
                std::string(where_) + ": needed an array of floats, integers or booleans, found " +
                    "dtype " + descr + "; convert it with NumPy's astype (bfloat16: view(uint16))");
  }

  void parse_shape() {
    expect('(');
    while (!take(')')) {
      if (header_.shape.rank() == Shape::kMaxRank) fail("at most 8 dimensions");
      header_.shape.push_back(integer());
      if (!take(',')) {
        if (header_.shape.rank() == 1) fail("a comma: (n) is no tuple");
        expect(')');
        break;
      }
    }
  }

  void skip_blanks() {
    const size_t end = rest_.find_first_not_of(" \t\n\r");
    rest_.remove_prefix(std::min(end, rest_.size()));
  }

  bool take(char c) {
    skip_blanks();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  void expect(char c) {
    if (!take(c)) fail("needed " + in_quotes(std::string_view(&c, 1)));
  }

  std::string_view string() {
    const char quote = take('\'') ? '\'' : take('"') ? '"' : '\0';
    const size_t end = rest_.find(quote);
    if (quote == '\0' || end == std::string_view::npos) fail("needed a string");
    const std::string_view text = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return text;
  }

  bool boolean() {
    skip_blanks();
    for (const std::string_view word : {"True", "False"}) {
      if (!rest_.starts_with(word)) continue;
      rest_.remove_prefix(word.size());
      return word == "True";
    }
    fail("needed True or False");
  }

  int64_t integer() {
    skip_blanks();
    int64_t value = 0;
    const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
    if (error != std::errc{} || value < 0) fail("needed a size from 0 to 2^63 - 1");
    rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
    if (rest_.starts_with('L')) rest_.remove_prefix(1);  // Python 2 wrote its long integers so
    return value;
  }

  std::string_view rest_;
  std::string_view where_;
  NpyHeader header_;
  bool has_descr_ = false;
  bool has_order_ = false;
  bool has_shape_ = false;
};

[[noreturn]] void fail(std::string_view where, const std::string& found) {
  throw Error(ErrorCode::corrupt_data,
              std::string(where) +
                  ": needed a .npy file (\\x93NUMPY, version, header, data), found " + found);
}

/// The dictionary's text and, by its end, where the data begin.
std::string_view dictionary_of(std::string_view bytes, std::string_view where) {
  if (!bytes.starts_with(kMagic)) fail(where, in_quotes(bytes.substr(0, 8)));
  if (bytes.size() < 10) fail(where, std::to_string(bytes.size()) + " bytes");
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const int major = byte(6);
  if (major < 1 || major > 3 || byte(7) != 0) {
    throw Error(ErrorCode::unsupported, std::string(where) +
                                            ": needed .npy version 1.0 to 3.0, found " +
                                            std::to_string(major) + "." + std::to_string(byte(7)));
  }
  const size_t length_bytes = major == 1 ? 2 : 4;
  const size_t begin = 8 + length_bytes;
  if (bytes.size() < begin) fail(where, std::to_string(bytes.size()) + " bytes");
  uint32_t length = 0;
  std::memcpy(&length, bytes.data() + 8, length_bytes);
  if (begin + length > static_cast<size_t>(kMaxNpyHeaderBytes)) {
    fail(where, "a header of " + std::to_string(length) + " bytes");
  }
  if (bytes.size() - begin < length) {
    fail(where, "a header of " + std::to_string(length) + " bytes of which " +
                    std::to_string(bytes.size() - begin) + " are there: the file is truncated");
  }
  return bytes.substr(begin, length);
}

template <class T>
void swap_bytes(std::byte* data, int64_t bytes) {
  for (std::byte* element = data; element < data + bytes; element += sizeof(T)) {
    std::reverse(element, element + sizeof(T));
  }
}

/// The same elements with the dimensions in opposite order: Fortran's order read as C's.
Tensor reversed(Tensor tensor) {
  for (int i = 0; i < tensor.rank() / 2; ++i) tensor = tensor.transpose(i, tensor.rank() - 1 - i);
  return tensor;
}

}  // namespace

NpyHeader parse_npy_header(std::string_view bytes, std::string_view where) {
  const std::string_view dictionary = dictionary_of(bytes, where);
  NpyHeader header = DictionaryParser(dictionary, where).parse();
  header.data_offset_bytes = dictionary.data() + dictionary.size() - bytes.data();
  int64_t data_bytes = size_of(header.dtype);
  bool overflow = false;
  for (const int64_t size : header.shape) {
    // A size of 0 must not hide an overflow: strides multiply the others.
    overflow |= __builtin_mul_overflow(data_bytes, std::max<int64_t>(size, 1), &data_bytes);
  }
  if (overflow) fail(where, "the shape " + to_string(header.shape) + ", which overflows");
  header.data_bytes = header.shape.numel() * size_of(header.dtype);
  return header;
}

std::string npy_header(const Shape& shape, DType dtype) {
  std::string text = "{'descr': '";
  text += size_of(dtype) == 1 ? '|' : '<';
  text += code_of(dtype);
  text += "', 'fortran_order': False, 'shape': (";
  for (int i = 0; i < shape.rank(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  }
  text += shape.rank() == 1 ? ",), }" : "), }";
  // NumPy leaves room for the first size to grow to 21 digits, then ends the head at a multiple of
  // 64 with a newline.
  if (shape.rank() > 0) text.append(21 - std::to_string(shape[0]).size(), ' ');
  constexpr size_t kPrefix = 10;
  const size_t total = (kPrefix + text.size() + 1 + 63) / 64 * 64;
  text.append(total - kPrefix - text.size() - 1, ' ');
  text += '\n';
  const auto length = static_cast<uint16_t>(text.size());
  std::string head(kMagic);
  head += '\1';
  head += '\0';
  head += static_cast<char>(length & 0xff);
  head += static_cast<char>(length >> 8);
  return head + text;
}

Tensor npy_tensor(const NpyHeader& header, std::string_view data) {
  HEED_ASSERT(static_cast<int64_t>(data.size()) == header.data_bytes);
  Shape stored = header.shape;
  if (header.fortran_order) {
    for (int i = 0; i < stored.rank(); ++i) stored[i] = header.shape[stored.rank() - 1 - i];
  }
  Tensor tensor = Tensor::empty(stored, header.dtype);
  std::byte* to = tensor.raw_data();
  if (!data.empty()) std::memcpy(to, data.data(), data.size());
  if (header.swapped) {
    const int64_t size = size_of(header.dtype);
    if (size == 2) swap_bytes<uint16_t>(to, header.data_bytes);
    if (size == 4) swap_bytes<uint32_t>(to, header.data_bytes);
    if (size == 8) swap_bytes<uint64_t>(to, header.data_bytes);
  }
  if (header.dtype == DType::boolean) {  // any other byte read as a C++ bool is undefined
    std::transform(to, to + header.data_bytes, to,
                   [](std::byte b) { return b == std::byte{0} ? std::byte{0} : std::byte{1}; });
  }
  return header.fortran_order ? reversed(tensor).contiguous() : tensor;
}

}  // namespace heed::internal
