#include "heed/io/gguf.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>

#include "heed/base/file.h"
#include "heed/io/gguf_format.h"
#include "heed/io/gguf_write.h"
#include "tests/expect_error.h"
#include "tests/support.h"

namespace heed {
namespace {

using testing::TemporaryFolder;

/// A file's bytes, one number or string after the other.
class Bytes {
 public:
  template <class T>
  Bytes& number(T value) {
    content_.append(reinterpret_cast<const char*>(&value), sizeof(value));
    return *this;
  }
  Bytes& text(std::string_view value) {
    number<uint64_t>(value.size());
    content_.append(value);
    return *this;
  }
  Bytes& raw(std::string_view value) {
    content_.append(value);
    return *this;
  }
  /// Up to a multiple of 32, then so many bytes of data.
  Bytes& data(size_t bytes) {
    content_.resize((content_.size() + 31) / 32 * 32 + bytes, '\0');
    return *this;
  }
  const std::string& content() const { return content_; }

 private:
  std::string content_;
};

Bytes start(uint64_t tensors, uint64_t keys, uint32_t version = 3) {
  return Bytes().raw("GGUF").number(version).number(tensors).number(keys);
}

struct TensorInfo {
  std::string_view name = "w";
  std::vector<uint64_t> sizes{8};  // the contiguous dimension first
  uint32_t type = 0;
  uint64_t offset = 0;
};

void add(Bytes& bytes, const TensorInfo& tensor) {
  bytes.text(tensor.name).number(static_cast<uint32_t>(tensor.sizes.size()));
  for (const uint64_t size : tensor.sizes) bytes.number(size);
  bytes.number(tensor.type).number(tensor.offset);
}

std::string file_of(const std::vector<TensorInfo>& tensors, size_t data_bytes) {
  Bytes bytes = start(tensors.size(), 0);
  for (const TensorInfo& tensor : tensors) add(bytes, tensor);
  return bytes.data(data_bytes).content();
}

Gguf parse(std::string_view content) {
  auto storage = Storage::allocate(static_cast<int64_t>(content.size()));
  std::memcpy(storage->data(), content.data(), content.size());
  return Gguf::parse(std::move(storage), "test");
}

void expect_corrupt(std::string_view content, std::initializer_list<std::string_view> parts) {
  expect_error(ErrorCode::corrupt_data, parts, [&] { parse(content); });
}

TEST(Gguf, MetadataOfEveryTypeComesBack) {
  const TemporaryFolder folder;
  const std::vector<std::string> texts{"", "a\nb", "\xff"};
  const std::vector<int32_t> integers{-1, 2};
  const std::vector<float> numbers{0.5F};
  GgufWriter writer;
  writer.add_text("text", "Ärger");
  writer.add_u32("u32", 4'000'000'000U);
  writer.add_f32("f32", 1e-5F);
  writer.add_boolean("boolean", true);
  writer.add_texts("texts", texts);
  writer.add_i32s("integers", integers);
  writer.add_f32s("numbers", numbers);
  writer.write(folder / "a.gguf");
  const Gguf file = Gguf::open(folder / "a.gguf");
  EXPECT_EQ(file.text("text"), "Ärger");
  EXPECT_EQ(file.integer("u32"), 4'000'000'000);
  EXPECT_EQ(file.number("u32"), 4e9);
  EXPECT_EQ(file.number("f32"), static_cast<double>(1e-5F));
  EXPECT_EQ(file.boolean("boolean"), true);
  const auto read = file.texts("texts");
  EXPECT_EQ(std::vector<std::string>(read->begin(), read->end()), texts);
  EXPECT_EQ(file.integers("integers"), (std::vector<int64_t>{-1, 2}));
  EXPECT_EQ(file.numbers("integers"), (std::vector<double>{-1, 2}));
  EXPECT_EQ(file.numbers("numbers"), (std::vector<double>{0.5}));
  EXPECT_EQ(file.metadata().size(), 7);
  EXPECT_TRUE(file.has("u32"));
  EXPECT_FALSE(file.has("u33"));
  EXPECT_EQ(file.text("u33"), std::nullopt);
  EXPECT_EQ(file.texts("u33"), std::nullopt);
}

TEST(Gguf, IntegersOfEveryWidth) {
  Bytes bytes = start(0, 8);
  const auto key = [&](const char* name, uint32_t type) -> Bytes& {
    return bytes.text(name).number(type);
  };
  key("u8", 0).number<uint8_t>(200);
  key("i8", 1).number<int8_t>(-100);
  key("u16", 2).number<uint16_t>(60000);
  key("i16", 3).number<int16_t>(-30000);
  key("i32", 5).number<int32_t>(-70000);
  key("u64", 10).number<uint64_t>(1ULL << 62);
  key("i64", 11).number<int64_t>(-(1LL << 62));
  key("large", 10).number<uint64_t>(1ULL << 63);
  const Gguf file = parse(bytes.content());
  EXPECT_EQ(file.integer("u8"), 200);
  EXPECT_EQ(file.integer("i8"), -100);
  EXPECT_EQ(file.integer("u16"), 60000);
  EXPECT_EQ(file.integer("i16"), -30000);
  EXPECT_EQ(file.integer("i32"), -70000);
  EXPECT_EQ(file.integer("u64"), 1LL << 62);
  EXPECT_EQ(file.integer("i64"), -(1LL << 62));
  EXPECT_EQ(file.number("large"), 9223372036854775808.0);
  expect_error(ErrorCode::corrupt_data, {"'large'", "2^63 - 1"}, [&] { file.integer("large"); });
}

TEST(Gguf, MetadataOfAnotherTypeIsToldWithBoth) {
  const TemporaryFolder folder;
  GgufWriter writer;
  writer.add_u32("a", 1);
  writer.add_f32s("b", std::vector<float>{1});
  writer.write(folder / "a.gguf");
  const Gguf file = Gguf::open(folder / "a.gguf");
  const auto corrupt = [&](std::initializer_list<std::string_view> parts, auto&& read) {
    expect_error(ErrorCode::corrupt_data, parts, read);
  };
  corrupt({"a.gguf", "'a'", "a string", "u32"}, [&] { file.text("a"); });
  corrupt({"true or false"}, [&] { file.boolean("a"); });
  corrupt({"list of integers", "u32"}, [&] { file.integers("a"); });
  corrupt({"an integer", "a list of f32"}, [&] { file.integer("b"); });
  corrupt({"a list of strings"}, [&] { file.texts("b"); });
  corrupt({"a list of integers"}, [&] { file.integers("b"); });
}

TEST(Gguf, TensorsAreViewsOfTheFile) {
  const TemporaryFolder folder;
  const Tensor values = Tensor::from({1, 2, 3, 4, 5, 6}, {2, 3});
  const std::string block(34, '\x11');
  GgufWriter writer;
  writer.add_tensor({"plain", BlockKind::f32, {2, 3}, [&](const ByteSink& put) {
                       put(std::as_bytes(values.span<float>()));
                     }});
  writer.add_tensor({"quantised", BlockKind::q8_0, {1, 32}, [&](const ByteSink& put) {
                       put(std::as_bytes(std::span(block.data(), 20)));
                       put(std::as_bytes(std::span(block.data() + 20, 14)));
                     }});
  int64_t told = 0;
  writer.write(folder / "a.gguf", [&](int64_t done, int64_t total) {
    told = done;
    EXPECT_EQ(total, 24 + 34);
  });
  EXPECT_EQ(told, 24 + 34);
  const Gguf file = Gguf::open(folder / "a.gguf");
  EXPECT_EQ(file.tensors().at("plain").type, "F32");
  EXPECT_EQ(file.tensors().at("plain").shape, Shape({2, 3}));
  EXPECT_EQ(file.tensors().at("quantised").offset_bytes % 32, 0);
  const Tensor plain = file.load("plain");
  EXPECT_EQ(plain.at({1, 0}), 4);
  EXPECT_EQ(plain.raw_data(), file.load("plain").raw_data());
  file.release("plain");
  file.release("no such tensor");
  EXPECT_EQ(plain.at({1, 2}), 6);
  const BlockMatrix matrix = file.matrix("quantised");
  EXPECT_EQ(matrix.kind, BlockKind::q8_0);
  EXPECT_EQ(matrix.rows, 1);
  EXPECT_EQ(matrix.columns, 32);
  EXPECT_EQ(matrix.row_bytes, 34);
  EXPECT_EQ(std::memcmp(matrix.data, block.data(), block.size()), 0);
  expect_error(ErrorCode::unsupported, {"'quantised'", "Q8_0"}, [&] { file.load("quantised"); });
  expect_error(ErrorCode::not_found, {"'plane'", "nearest: plain"}, [&] { file.load("plane"); });
}

TEST(Gguf, AFileFitsItsTensorsOfEveryType) {
  for (uint32_t number = 0; number < 64; ++number) {
    const internal::GgufTensorType* type = internal::gguf_type(number);
    if (type == nullptr) continue;
    SCOPED_TRACE(type->name);
    const auto elements = static_cast<uint64_t>(2 * type->block_elements);
    const auto bytes = static_cast<size_t>(3 * 2 * type->block_bytes);
    const TensorInfo tensor{.sizes = {elements, 3}, .type = number};
    const Gguf file = parse(file_of({tensor}, bytes));
    EXPECT_EQ(file.tensors().at("w").bytes.size(), bytes);
    expect_corrupt(file_of({tensor}, bytes - 1), {"'w'", type->name, "truncated"});
    if (!type->kind) {
      expect_error(ErrorCode::unsupported, {"'w'", type->name}, [&] { file.matrix("w"); });
      continue;
    }
    EXPECT_EQ(type->block_elements, block_size(*type->kind));
    EXPECT_EQ(type->block_bytes, block_bytes(*type->kind));
    EXPECT_EQ(file.matrix("w").row_bytes, 2 * type->block_bytes);
  }
}

TEST(Gguf, WhatIsNoGguf) {
  expect_corrupt("", {"needed a GGUF file", "0 bytes"});
  expect_corrupt(start(0, 0).content().substr(0, 23), {"23 bytes"});
  expect_corrupt(std::string(64, 'x'), {"begins with GGUF", "'xxxx'"});
  expect_corrupt("version https://git-lfs.github.com/spec/v1", {"git-lfs pointer"});
  expect_error(ErrorCode::unsupported, {"version 1"}, [] { parse(start(0, 0, 1).content()); });
  expect_error(ErrorCode::unsupported, {"version 4"}, [] { parse(start(0, 0, 4).content()); });
  expect_error(ErrorCode::unsupported, {"big-endian"},
               [] { parse(start(0, 0, 0x03000000).content()); });
  EXPECT_TRUE(parse(start(0, 0, 2).content()).tensors().empty());
  expect_error(ErrorCode::not_found, {"none.gguf"}, [] { Gguf::open("none.gguf"); });
}

TEST(Gguf, CountsBeyondTheFile) {
  constexpr uint64_t kMost = std::numeric_limits<uint64_t>::max();
  expect_corrupt(start(kMost, 0).content(), {"18446744073709551615 tensors", "cannot hold"});
  expect_corrupt(start(0, kMost).content(), {"metadata keys", "cannot hold"});
  expect_corrupt(start(0, 1).data(64).content(), {"a metadata key is empty"});
  expect_corrupt(start(0, 1).number(kMost).data(32).content(), {"at most 65535"});
  expect_corrupt(start(0, 1).number<uint64_t>(60).data(32).content(), {"needs 60 bytes"});
  const auto value = [](uint32_t type) { return start(0, 1).text("k").number(type); };
  expect_corrupt(value(8).number(kMost).data(32).content(), {"a metadata string", "at most"});
  expect_corrupt(value(13).data(32).content(), {"'k'", "type 13"});
  const auto list = [&](uint32_t element, uint64_t count) {
    return value(9).number(element).number(count).data(32).content();
  };
  expect_corrupt(list(8, kMost), {"strings in a list", "cannot hold"});
  expect_corrupt(list(10, kMost / 8 + 2), {"numbers in a list", "cannot hold"});
  expect_corrupt(list(0, 1 << 20), {"numbers in a list"});
  expect_error(ErrorCode::unsupported, {"'k'", "list of lists"}, [&] { parse(list(9, 1)); });
}

TEST(Gguf, TensorsThatBreakTheFormat) {
  const auto one = [](const TensorInfo& tensor) { return file_of({tensor}, 64); };
  constexpr uint64_t kHalf = uint64_t{1} << 62;
  expect_corrupt(one({.name = ""}), {"name is empty"});
  expect_corrupt(one({.sizes = {1, 1, 1, 1, 1}}), {"'w'", "5 dimensions", "at most 4"});
  expect_corrupt(one({.sizes = {kHalf, 4}}), {"overflows"});
  expect_corrupt(one({.sizes = {0, kHalf, 4}}), {"overflows"});
  expect_corrupt(one({.sizes = {kHalf * 2}}), {"2^63 - 1"});
  expect_corrupt(one({.sizes = {33}, .type = 8}), {"rows of 33", "Q8_0", "32"});
  expect_corrupt(one({.sizes = {16, 2}, .type = 8}), {"rows of 16"});
  expect_corrupt(one({.offset = 8}), {"'w'", "begins at 8", "multiple of 32"});
  expect_corrupt(one({.offset = 64}), {"'w'", "at 64", "truncated"});
  expect_corrupt(one({.offset = ~uint64_t{31}}), {"past the end"});
  expect_corrupt(one({.sizes = {17}}), {"F32 [17] needs 68 bytes"});
  for (const uint32_t type : {4U, 5U, 15U, 31U, 42U, 0xffffffffU}) {
    expect_error(ErrorCode::unsupported, {"'w'", "type " + std::to_string(type)},
                 [&] { parse(one({.type = type})); });
  }
  EXPECT_EQ(parse(one({.sizes = {}})).load("w").numel(), 1);
  EXPECT_EQ(parse(one({.sizes = {0, 3}})).load("w").shape(), Shape({3, 0}));
}

TEST(Gguf, TensorsThatOverlapOrAreTwins) {
  const auto two = [](std::string_view name, uint64_t a, uint64_t b) {
    return file_of({{.name = "a", .sizes = {9}, .offset = a}, {.name = name, .offset = b}}, 96);
  };
  EXPECT_EQ(parse(two("b", 0, 64)).tensors().size(), 2);
  EXPECT_EQ(parse(two("b", 32, 0)).tensors().size(), 2);
  expect_corrupt(two("b", 0, 32), {"'b'", "overlaps 'a' by 4 bytes"});
  expect_corrupt(two("b", 32, 32), {"overlaps"});
  expect_corrupt(two("a", 0, 64), {"'a' twice"});
  expect_corrupt(start(0, 2)
                     .text("k")
                     .number<uint32_t>(0)
                     .number<uint8_t>(1)
                     .text("k")
                     .number<uint32_t>(0)
                     .number<uint8_t>(1)
                     .data(32)
                     .content(),
                 {"'k' twice"});
}

TEST(Gguf, TheAlignmentThatTheFileSays) {
  const auto with = [](uint32_t alignment, uint64_t offset) {
    Bytes bytes = start(1, 1);
    bytes.text("general.alignment").number<uint32_t>(4).number(alignment);
    add(bytes, {.offset = offset});
    return bytes.data(256).content();
  };
  EXPECT_EQ(parse(with(64, 64)).tensors().at("w").offset_bytes % 64, 0);
  EXPECT_EQ(parse(with(8, 8)).tensors().at("w").offset_bytes % 8, 0);
  expect_corrupt(with(64, 32), {"multiple of 64"});
  for (const uint32_t alignment : {0U, 1U, 4U, 24U, 0x80000000U}) {
    expect_corrupt(with(alignment, 0), {"general.alignment", "power of two"});
  }
  expect_corrupt(start(0, 1).text("general.alignment").number<uint32_t>(5).number(32).content(),
                 {"general.alignment", "i32"});
}

TEST(Gguf, FilesAreKnownByTheirStartOrTheirName) {
  const TemporaryFolder folder;
  write_file(folder / "blob", "GGUF and more");
  write_file(folder / "broken.gguf", "");
  write_file(folder / "model.safetensors", "{}");
  std::filesystem::create_directory(folder / "folder.gguf");
  EXPECT_TRUE(is_gguf(folder / "blob"));
  EXPECT_TRUE(is_gguf(folder / "broken.gguf"));
  EXPECT_TRUE(is_gguf(folder / "missing.gguf"));
  EXPECT_FALSE(is_gguf(folder / "model.safetensors"));
  EXPECT_FALSE(is_gguf(folder / "folder.gguf"));
  EXPECT_FALSE(is_gguf(folder / "missing"));
}

TEST(GgufWriter, WhatCannotBeWritten) {
  const TemporaryFolder folder;
  const auto refused = [&](std::initializer_list<std::string_view> parts,
                           const std::function<void(GgufWriter&)>& fill) {
    GgufWriter writer;
    fill(writer);
    expect_error(ErrorCode::invalid_argument, parts, [&] { writer.write(folder / "a.gguf"); });
  };
  const auto tensor = [](const std::string& name, const Shape& shape, BlockKind kind) {
    return GgufWriter::TensorData{name, kind, shape, [](const ByteSink&) {}};
  };
  refused({"metadata key is empty"}, [](GgufWriter& writer) { writer.add_u32("", 1); });
  refused({"'a' is given twice"}, [](GgufWriter& writer) {
    writer.add_u32("a", 1);
    writer.add_text("a", "b");
  });
  refused({"'w' is given twice"}, [&](GgufWriter& writer) {
    writer.add_tensor(tensor("w", {0}, BlockKind::f32));
    writer.add_tensor(tensor("w", {0}, BlockKind::f32));
  });
  refused({"63 bytes"}, [&](GgufWriter& writer) {
    writer.add_tensor(tensor(std::string(64, 'w'), {0}, BlockKind::f32));
  });
  refused({"'w' [2, 33]", "Q4_0", "32"}, [&](GgufWriter& writer) {
    writer.add_tensor(tensor("w", {2, 33}, BlockKind::q4_0));
  });
  refused({"1 to 4 dimensions"},
          [&](GgufWriter& writer) { writer.add_tensor(tensor("w", {}, BlockKind::f32)); });
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(GgufWriter, ValuesOfAnotherFileAsTheyAre) {
  const TemporaryFolder folder;
  GgufWriter first;
  first.add_texts("list", std::vector<std::string>{"a", "bc"});
  first.add_f32("number", 3);
  first.write(folder / "a.gguf");
  const Gguf source = Gguf::open(folder / "a.gguf");
  GgufWriter second;
  for (const auto& [key, value] : source.metadata()) second.add_value(key, value);
  second.write(folder / "b.gguf");
  EXPECT_EQ(read_file(folder / "a.gguf"), read_file(folder / "b.gguf"));
}

}  // namespace
}  // namespace heed
