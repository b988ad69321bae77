#include "heed/io/safetensors.h"

#include <gtest/gtest.h>

#include <cstring>

#include "heed/base/file.h"
#include "heed/io/json.h"
#include "tests/expect_error.h"
#include "tests/support.h"

namespace heed {
namespace {

using testing::TemporaryFolder;

/// 8 bytes of length, the header, `data_bytes` zeros.
std::string content_of(std::string_view header, size_t data_bytes) {
  const uint64_t length = header.size();
  std::string content(8, '\0');
  std::memcpy(content.data(), &length, 8);
  return content + std::string(header) + std::string(data_bytes, '\0');
}

Checkpoint parse(std::string_view content) {
  auto storage = Storage::allocate(static_cast<int64_t>(content.size()));
  std::memcpy(storage->data(), content.data(), content.size());
  return Checkpoint::parse(std::move(storage), "test");
}

void expect_corrupt(std::string_view content, std::initializer_list<std::string_view> parts) {
  expect_error(ErrorCode::corrupt_data, parts, [&] { parse(content); });
}

void expect_corrupt_header(std::string_view header, size_t data_bytes,
                           std::initializer_list<std::string_view> parts) {
  SCOPED_TRACE(header);
  expect_corrupt(content_of(header, data_bytes), parts);
}

void expect_same(const Tensor& a, const Tensor& b) {
  ASSERT_EQ(a.shape(), b.shape());
  ASSERT_EQ(a.dtype(), b.dtype());
  const auto bytes = static_cast<size_t>(a.numel() * size_of(a.dtype()));
  EXPECT_EQ(std::memcmp(a.contiguous().raw_data(), b.contiguous().raw_data(), bytes), 0);
}

/// Bytes 0, 1, 2, ... (0 and 1 for booleans).
Tensor counting(const Shape& shape, DType dtype) {
  Tensor tensor = Tensor::empty(shape, dtype);
  for (int64_t i = 0; i < tensor.numel() * size_of(dtype); ++i) {
    tensor.raw_data()[i] = static_cast<std::byte>(dtype == DType::boolean ? i & 1 : i);
  }
  return tensor;
}

TEST(Safetensors, EveryDTypeComesBack) {
  const TemporaryFolder folder;
  NamedTensors tensors;
  for (int i = 0; i <= static_cast<int>(DType::boolean); ++i) {
    const auto dtype = static_cast<DType>(i);
    tensors.emplace_back(std::string(to_string(dtype)), counting({3, 5}, dtype));
  }
  tensors.emplace_back("scalar", Tensor::full({}, 2.5F));
  tensors.emplace_back("none", Tensor::empty({0, 4}));
  tensors.emplace_back("päth \"quoted\".weight",
                       Tensor::from({1, 2, 3, 4, 5, 6}, {2, 3}).transpose(0, 1));
  write_safetensors(folder / "a.safetensors", tensors, {{"format", "pt"}, {"by", "test"}});

  const Checkpoint checkpoint = Checkpoint::open(folder / "a.safetensors");
  EXPECT_EQ(checkpoint.entries().size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(checkpoint.contains(name));
    expect_same(checkpoint.load(name), tensor);
  }
  EXPECT_EQ(checkpoint.entries().at("bf16").dtype, "BF16");
  EXPECT_EQ(checkpoint.entries().at("f8_e4m3").bytes, 15);
  EXPECT_EQ(checkpoint.metadata().at("format"), "pt");
}

TEST(Safetensors, WritesAlignedDataAndAHeaderOfWholeWords) {
  const TemporaryFolder folder;
  write_safetensors(folder / "a.safetensors", {{"a", counting({3}, DType::u8)},
                                               {"b", counting({2}, DType::f64)},
                                               {"c", counting({3}, DType::f16)}});
  const Checkpoint checkpoint = Checkpoint::open(folder / "a.safetensors");
  EXPECT_EQ(checkpoint.entries().at("b").offset_bytes % 8, 0);
  EXPECT_EQ(checkpoint.entries().at("c").offset_bytes % 2, 0);
  EXPECT_LT(checkpoint.entries().at("c").offset_bytes, checkpoint.entries().at("a").offset_bytes);
}

TEST(Safetensors, AViewOfTheFileUntilItsPagesAreReleasedAndAfter) {
  const TemporaryFolder folder;
  const Tensor values = counting({64, 1024}, DType::f32);
  write_safetensors(folder / "a.safetensors", {{"a", values}});
  const Checkpoint checkpoint = Checkpoint::open(folder / "a.safetensors");
  const Tensor first = checkpoint.load("a");
  EXPECT_EQ(first.raw_data(), checkpoint.load("a").raw_data());
  checkpoint.release("a");
  checkpoint.release("no such tensor");
  expect_same(first, values);
}

TEST(Safetensors, MisalignedDataAreCopied) {
  const std::string header = R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                             R"("b":{"dtype":"F32","shape":[2],"data_offsets":[1,9]}})";
  std::string content = content_of(header, 9);
  const float values[] = {1.5F, -2};
  std::memcpy(content.data() + content.size() - 8, values, 8);
  const Tensor b = parse(content).load("b");
  EXPECT_EQ(reinterpret_cast<uintptr_t>(b.raw_data()) % alignof(float), 0);
  expect_same(b, Tensor::from({1.5F, -2}, {2}));
}

TEST(Safetensors, BooleansOfOtherBytesBecomeTrue) {
  std::string content = content_of(R"({"a":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}})", 3);
  content[content.size() - 2] = '\x7f';
  const Tensor a = parse(content).load("a");
  EXPECT_EQ(a.raw_data()[0], std::byte{0});
  EXPECT_EQ(a.raw_data()[1], std::byte{1});
}

TEST(Safetensors, DTypesThatHeedCannotHoldAreListed) {
  const Checkpoint checkpoint =
      parse(content_of(R"({"a":{"dtype":"F4","shape":[4],"data_offsets":[0,2]},)"
                       R"("b":{"dtype":"F6_E2M3","shape":[4],"data_offsets":[2,5]},)"
                       R"("c":{"dtype":"F8_E8M0","shape":[1],"data_offsets":[5,6]},)"
                       R"("d":{"dtype":"C64","shape":[1],"data_offsets":[6,14]}})",
                       14));
  EXPECT_EQ(checkpoint.entries().size(), 4);
  for (const auto& [name, entry] : checkpoint.entries()) {
    expect_error(ErrorCode::unsupported, {name, entry.dtype, "cannot load"},
                 [&, n = name] { checkpoint.load(n); });
  }
}

TEST(Safetensors, AnUnknownNameNamesTheNearest) {
  const Checkpoint checkpoint = parse(content_of(
      R"({"bert.encoder.layer.0.weight":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},)"
      R"("unlike":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}})",
      0));
  expect_error(ErrorCode::not_found,
               {"'encoder.layer.0.weight'", "nearest: bert.encoder.layer.0.weight"},
               [&] { checkpoint.load("encoder.layer.0.weight"); });
  expect_error(ErrorCode::not_found, {"'xyz\\x0a'", "2 others"}, [&] { checkpoint.load("xyz\n"); });
}

TEST(Safetensors, HeadersThatBreakTheFormat) {
  expect_corrupt("", {"needed a safetensors file", "0 bytes"});
  expect_corrupt("1234567", {"7 bytes"});
  expect_corrupt(content_of("{}", 0).substr(0, 9),
                 {"header has 2 bytes", "only 1 follow", "truncated"});
  expect_corrupt(std::string(8, '\xff') + "{}", {"18446744073709551615", "at most 100000000"});
  expect_corrupt(std::string("\x01\xe1\xf5\x05\0\0\0\0{}", 10), {"100000001", "at most 100000000"});
  expect_corrupt(content_of("", 0), {"must begin with '{'", "empty header"});
  expect_corrupt(content_of(" {}", 0), {"must begin with '{'", "' '"});
  expect_corrupt(content_of("{\"a\":", 0), {"test (header)", "needed JSON", "at byte"});
  expect_corrupt(content_of("{\"\xff\":1}", 0), {"UTF-8", "at byte 2"});
  expect_corrupt("version https://git-lfs.github.com/spec/v1", {"git-lfs pointer", "git lfs pull"});
  expect_error(ErrorCode::unsupported, {"GGUF"}, [] { parse("GGUF....metadata"); });
  expect_error(ErrorCode::unsupported, {"pickle"}, [] { parse("PK\3\4....archive/data.pkl"); });
}

TEST(Safetensors, TensorsThatBreakTheFormat) {
  const auto one = [](std::string_view fields) { return "{\"w\":{" + std::string(fields) + "}}"; };
  expect_corrupt_header(R"({"w":1})", 0, {"'w'", "dtype, shape and data_offsets"});
  expect_corrupt_header(one(R"("dtype":"F32","shape":[1])"), 4, {"data_offsets"});
  expect_corrupt_header(one(R"("dtype":"F33","shape":[1],"data_offsets":[0,4])"), 4,
                        {"unknown dtype 'F33'"});
  expect_corrupt_header(one(R"("dtype":32,"shape":[1],"data_offsets":[0,4])"), 4,
                        {"dtype must be a string"});
  expect_corrupt_header(one(R"("dtype":"F32","shape":1,"data_offsets":[0,4])"), 4,
                        {"shape must be a list"});
  expect_corrupt_header(one(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])"), 4,
                        {"shape", "found -1"});
  expect_corrupt_header(one(R"("dtype":"F32","shape":[1.5],"data_offsets":[0,4])"), 4,
                        {"found 1.5"});
  expect_corrupt_header(one(R"("dtype":"F32","shape":["1"],"data_offsets":[0,4])"), 4,
                        {"found string"});
  expect_corrupt_header(one(R"("dtype":"F32","shape":[1],"data_offsets":[0])"), 4,
                        {"[begin, end]"});
  expect_corrupt_header(one(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])"), 4,
                        {"[4, 0] end before"});
  expect_corrupt_header(one(R"("dtype":"F32","shape":[2],"data_offsets":[0,8])"), 4,
                        {"past the end", "4 bytes", "truncated"});
  expect_corrupt_header(one(R"("dtype":"F32","shape":[2],"data_offsets":[0,4])"), 4,
                        {"F32 [2] needs 8 bytes", "give 4"});
  expect_corrupt_header(one(R"("dtype":"F4","shape":[3],"data_offsets":[0,1])"), 1,
                        {"F4 [3] needs 2 bytes"});
  expect_corrupt_header(
      one(R"("dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0])"), 0,
      {"overflows"});
  expect_corrupt_header(
      one(R"("dtype":"F32","shape":[0,4611686018427387904,4],"data_offsets":[0,0])"), 0,
      {"overflows"});
  expect_corrupt_header(one(R"("dtype":"F32","shape":[18446744073709551615],"data_offsets":[0,4])"),
                        4, {"2^63 - 1"});
  expect_error(ErrorCode::unsupported, {"at most 8", "found 9"}, [&] {
    parse(content_of(one(R"("dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1])"), 1));
  });
}

TEST(Safetensors, DataWithHolesOverlapsOrTwins) {
  const auto two = [](std::string_view a, std::string_view b) {
    return R"({"a":{"dtype":"U8","shape":[2],"data_offsets":)" + std::string(a) +
           R"(},"b":{"dtype":"U8","shape":[2],"data_offsets":)" + std::string(b) + "}}";
  };
  EXPECT_EQ(parse(content_of(two("[2,4]", "[0,2]"), 4)).entries().size(), 2);
  expect_corrupt_header(two("[0,2]", "[1,3]"), 3, {"'b'", "overlaps", "by 1 bytes"});
  expect_corrupt_header(two("[0,2]", "[0,2]"), 2, {"overlaps"});
  expect_corrupt_header(two("[0,2]", "[3,5]"), 5, {"'b'", "1 bytes before its data"});
  expect_corrupt_header(two("[1,3]", "[3,5]"), 5, {"'a'", "1 bytes before its data"});
  expect_corrupt_header(two("[0,2]", "[2,4]"), 5, {"1 bytes at the end belong to no tensor"});
  expect_corrupt_header(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                        R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
                        1, {"the key 'a' twice"});
  expect_corrupt_header(R"({"__metadata__":{"a":1}})", 0, {"__metadata__", "'a'"});
  expect_corrupt_header(R"({"__metadata__":[]})", 0, {"__metadata__"});
}

TEST(Safetensors, WhatCannotBeWritten) {
  const TemporaryFolder folder;
  const Tensor one = Tensor::zeros({1});
  const auto write = [&](NamedTensors tensors) {
    write_safetensors(folder / "a.safetensors", tensors);
  };
  expect_error(ErrorCode::invalid_argument, {"'a' is given twice"}, [&] {
    write({{"a", one}, {"a", one}});
  });
  expect_error(ErrorCode::invalid_argument, {"UTF-8"}, [&] { write({{"\xff", one}}); });
  expect_error(ErrorCode::invalid_argument, {"undefined"}, [&] { write({{"a", Tensor()}}); });
  expect_error(ErrorCode::invalid_argument, {"__metadata__"}, [&] {
    write({{"__metadata__", one}});
  });
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

class Sharded : public ::testing::Test {
 protected:
  void SetUp() override {
    write_safetensors(folder_ / "one.safetensors",
                      {{"a", Tensor::full({2}, 1)}, {"extra", Tensor::full({1}, 9)}});
    write_safetensors(folder_ / "two.safetensors", {{"b", Tensor::full({3}, 2)}});
  }
  void write_index(const std::string& weight_map) {
    write_file(folder_ / "model.safetensors.index.json",
               R"({"metadata":{},"weight_map":)" + weight_map + "}");
  }
  Checkpoint open() { return Checkpoint::open(folder_.path()); }
  TemporaryFolder folder_;
};

TEST_F(Sharded, TensorsComeFromTheirShards) {
  write_index(R"({"a":"one.safetensors","b":"two.safetensors"})");
  const Checkpoint checkpoint = open();
  EXPECT_EQ(checkpoint.entries().size(), 2);
  expect_same(checkpoint.load("a"), Tensor::full({2}, 1));
  expect_same(checkpoint.load("b"), Tensor::full({3}, 2));
  EXPECT_EQ(checkpoint.entries().at("b").file, folder_ / "two.safetensors");
  EXPECT_EQ(Checkpoint::open(folder_ / "model.safetensors.index.json").entries().size(), 2);
}

TEST_F(Sharded, BadIndexes) {
  write_index(R"({"a":"one.safetensors","b":"three.safetensors"})");
  expect_error(ErrorCode::not_found, {"needed 2 shards", "found 1", "fetch three.safetensors"},
               [&] { open(); });
  write_index(R"({"a":"one.safetensors","b":"one.safetensors"})");
  expect_error(ErrorCode::corrupt_data, {"lists 'b' in one.safetensors", "does not hold"},
               [&] { open(); });
  for (const char* name : {"../one.safetensors", "/etc/passwd", "a\\\\b", "..", "", "x\\u0000y"}) {
    write_index(R"({"a":")" + std::string(name) + "\"}");
    expect_error(ErrorCode::corrupt_data, {"beside the index", "at 'a'"}, [&] { open(); });
  }
  write_index(R"({"a":1})");
  expect_error(ErrorCode::corrupt_data, {"found number at 'a'"}, [&] { open(); });
  write_index("[]");
  expect_error(ErrorCode::corrupt_data, {"weight_map", "found array"}, [&] { open(); });
  write_file(folder_ / "model.safetensors.index.json", "{}");
  expect_error(ErrorCode::corrupt_data, {"weight_map", "found none"}, [&] { open(); });
  write_file(folder_ / "model.safetensors.index.json", "{");
  expect_error(ErrorCode::corrupt_data, {"needed JSON"}, [&] { open(); });
}

TEST(CheckpointFolder, WithoutWeightsSaysWhatIsThere) {
  const TemporaryFolder folder;
  expect_error(ErrorCode::not_found, {"needed model.safetensors", "an empty folder"},
               [&] { Checkpoint::open(folder.path()); });
  expect_error(ErrorCode::not_found, {"needed a folder or a .safetensors file", "nothing there"},
               [&] { Checkpoint::open(folder / "none"); });
  const std::string checkpoints = folder / "checkpoints";
  std::filesystem::create_directory(checkpoints);
  expect_error(ErrorCode::not_found, {"a run that has not ended", "are in " + checkpoints},
               [&] { Checkpoint::open(folder.path()); });
  std::filesystem::remove(checkpoints);
  write_file(folder / "config.json", "{}");
  write_file(folder / "pytorch_model.bin", "PK");
  expect_error(ErrorCode::not_found, {"config.json, pytorch_model.bin", "pickle", "not read"},
               [&] { Checkpoint::open(folder.path()); });
  std::filesystem::remove(folder / "pytorch_model.bin");
  write_safetensors(folder / "adapter.safetensors", {});
  expect_error(ErrorCode::not_found, {"give the path of adapter.safetensors"},
               [&] { Checkpoint::open(folder.path()); });
  std::filesystem::create_symlink("../blobs/gone", folder / "model.safetensors");
  expect_error(ErrorCode::not_found, {"model.safetensors (a link to nothing)"},
               [&] { Checkpoint::open(folder.path()); });
  EXPECT_TRUE(Checkpoint::open(folder / "adapter.safetensors").entries().empty());
}

}  // namespace
}  // namespace heed
