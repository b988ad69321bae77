#include "heed/io/npy.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstring>

#include "heed/base/file.h"
#include "tests/expect_error.h"
#include "tests/support.h"

namespace heed {
namespace {

using testing::TemporaryFolder;

std::filesystem::path golden(const std::string& name) {
  return testing::golden_folder() / "io" / name;
}

/// What tools/make_io_goldens.py writes: element i is i - 3 (i % 2 of the booleans).
template <class T>
Tensor counted(const Shape& shape) {
  std::vector<T> values;
  for (int64_t i = 0; i < shape.numel(); ++i) values.push_back(static_cast<T>(i - 3));
  return Tensor::from(values, shape);
}

void expect_same(const Tensor& a, const Tensor& b) {
  ASSERT_EQ(a.shape(), b.shape());
  ASSERT_EQ(a.dtype(), b.dtype());
  EXPECT_TRUE(a.is_contiguous());
  EXPECT_EQ(
      std::memcmp(a.raw_data(), b.raw_data(), static_cast<size_t>(a.numel() * size_of(a.dtype()))),
      0);
}

template <class T>
void expect_golden(const std::string& name, const Shape& shape) {
  SCOPED_TRACE(name);
  expect_same(read_npy(golden(name)), counted<T>(shape));
}

/// A version 1.0 head around a dictionary.
std::string npy_of(std::string_view dictionary, std::string_view data) {
  std::string head("\x93NUMPY\1\0", 8);
  head += static_cast<char>(dictionary.size() & 0xff);
  head += static_cast<char>(dictionary.size() >> 8);
  return head + std::string(dictionary) + std::string(data);
}

TEST(Npy, ReadsWhatNumPyWrites) {
  expect_golden<double>("float64_c.npy", {2, 3});
  expect_golden<float>("float32_c.npy", {2, 3});
  expect_golden<int64_t>("int64_c.npy", {2, 3});
  expect_golden<int32_t>("int32_c.npy", {2, 3});
  expect_golden<int16_t>("int16_c.npy", {2, 3});
  expect_golden<int8_t>("int8_c.npy", {2, 3});
  expect_golden<uint64_t>("uint64_c.npy", {2, 3});
  expect_golden<uint32_t>("uint32_c.npy", {2, 3});
  expect_golden<uint16_t>("uint16_c.npy", {2, 3});
  expect_golden<uint8_t>("uint8_c.npy", {2, 3});
  expect_same(read_npy(golden("float16_c.npy")), counted<float>({2, 3}).to(DType::f16));
  const Tensor booleans = read_npy(golden("bool_c.npy"));
  for (int64_t i = 0; i < 6; ++i) EXPECT_EQ(booleans.data<bool>()[i], i % 2 == 1);
}

TEST(Npy, ReadsOrdersEndiannessesAndVersions) {
  expect_golden<float>("float32_fortran.npy", {2, 3, 4});
  expect_golden<double>("float64_big.npy", {2, 3});
  expect_golden<int16_t>("int16_big_fortran.npy", {3, 2});
  expect_golden<float>("float32_scalar.npy", {});
  expect_golden<float>("float32_empty.npy", {0, 5});
  expect_golden<float>("float32_vector_v2.npy", {7});
  expect_golden<float>("float32_vector_v3.npy", {7});
}

TEST(Npy, WritesWhatNumPyWrites) {
  const TemporaryFolder folder;
  const std::pair<const char*, Tensor> kFiles[] = {
      {"float32_c.npy", counted<float>({2, 3})},    {"int64_c.npy", counted<int64_t>({2, 3})},
      {"uint8_c.npy", counted<uint8_t>({2, 3})},    {"float32_scalar.npy", counted<float>({})},
      {"float32_empty.npy", Tensor::empty({0, 5})}, {"bool_c.npy", read_npy(golden("bool_c.npy"))},
      {"uint16_c.npy", counted<uint16_t>({2, 3})},
  };
  for (const auto& [name, tensor] : kFiles) {
    SCOPED_TRACE(name);
    write_npy(folder / name, tensor);
    EXPECT_EQ(read_file(folder / name), read_file(golden(name)));
  }
}

TEST(Npy, ViewsAndNarrowFloats) {
  const TemporaryFolder folder;
  const Tensor view = counted<float>({3, 2}).transpose(0, 1);
  write_npy(folder / "view.npy", view);
  expect_same(read_npy(folder / "view.npy"), view.contiguous());
  write_npy(folder / "bf16.npy", counted<float>({4}).to(DType::bf16));
  const Tensor bits = read_npy(folder / "bf16.npy");
  EXPECT_EQ(bits.dtype(), DType::u16);
  EXPECT_EQ(bits.at<uint16_t>({0}), 0xC040);  // -3
}

TEST(Npy, BooleansOfOtherBytesBecomeTrue) {
  const Tensor tensor = parse_npy(
      npy_of("{'descr':'|b1','fortran_order':False,'shape':(2,)}\n", "\x02" + std::string(1, '\0')),
      "x");
  EXPECT_EQ(tensor.raw_data()[0], std::byte{1});
  EXPECT_EQ(tensor.raw_data()[1], std::byte{0});
}

TEST(Npy, BadFiles) {
  const auto corrupt = [](std::string_view bytes, std::initializer_list<std::string_view> parts) {
    expect_error(ErrorCode::corrupt_data, parts, [&] { parse_npy(bytes, "x.npy"); });
  };
  corrupt("", {"x.npy: needed a .npy file", "found ''"});
  corrupt("PK\3\4....", {"'PK\\x03\\x04....'"});
  corrupt("\x93NUMPY\1", {"7 bytes"});
  corrupt(std::string("\x93NUMPY\1\0\x40\0{", 11), {"a header of 64 bytes of which 1 are there"});
  corrupt(std::string("\x93NUMPY\2\0\xff\xff\xff\xff{", 13), {"a header of 4294967295 bytes"});
  const auto dictionary = [&](std::string_view text,
                              std::initializer_list<std::string_view> parts) {
    SCOPED_TRACE(text);
    corrupt(npy_of(text, "12345678"), parts);
  };
  dictionary("", {"needed '{'", "at its end"});
  dictionary("{'descr': '<f4'}", {"needed descr, fortran_order and shape"});
  dictionary("{'descr': '<f4', 'fortran_order': 0, 'shape': (2,)}", {"True or False", "at '0,"});
  dictionary("{'descr': '<f4', 'fortran_order': False, 'shape': (2)}", {"(n) is no tuple"});
  dictionary("{'descr': '<f4', 'fortran_order': False, 'shape': (2, -1)}", {"a size from 0"});
  dictionary("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,)}",
             {"a size"});
  dictionary("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1)}",
             {"at most 8"});
  dictionary("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}",
             {"overflows"});
  dictionary("{'descr': '<f4', 'fortran_order': False, 'shape': (0, 4611686018427387904, 4)}",
             {"overflows"});
  dictionary("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (2,)}",
             {"'descr' twice"});
  dictionary("{'x': '<f4'}", {"unknown key 'x'"});
  dictionary("{'descr: 1", {"needed a string"});
  dictionary("{'descr': '<f4', 'fortran_order': False, 'shape': (2,)} evil()", {"needed the end"});
  dictionary("{'descr': '<f4', 'fortran_order': False, 'shape': (3,)}",
             {"f32 [3] needs 12 bytes", "found 8: the file is truncated"});
  dictionary("{'descr': '<f4', 'fortran_order': False, 'shape': (1,)}",
             {"needs 4 bytes", "holds one array"});
  EXPECT_EQ(
      parse_npy(npy_of("{'descr': '<f4', 'fortran_order': False, 'shape': (2L,)}", "12345678"), "x")
          .size(0),
      2);

  for (const char* name : {"complex64.npy", "record.npy", "object.npy"}) {
    expect_error(ErrorCode::unsupported, {name, "found dtype"}, [&] { read_npy(golden(name)); });
  }
  expect_error(ErrorCode::unsupported, {"version 1.0 to 3.0, found 9.0"},
               [] { parse_npy(std::string("\x93NUMPY\x09\0\0\0", 10), "x"); });
  expect_error(ErrorCode::not_found, {"none.npy"}, [] { read_npy("/none.npy"); });
}

TEST(Npz, ReadsWhatNumPyWrites) {
  for (const char* name : {"stored.npz", "deflated.npz"}) {
    SCOPED_TRACE(name);
    const NamedTensors arrays = read_npz(golden(name));
    ASSERT_EQ(arrays.size(), 2);
    EXPECT_EQ(arrays[0].first, "y");
    EXPECT_EQ(arrays[1].first, "ids");
    expect_same(arrays[0].second, counted<float>({2, 3}));
    expect_same(arrays[1].second, counted<int64_t>({4}));
  }
}

TEST(Npz, ComesBackAndIsTheSameFileEachTime) {
  const TemporaryFolder folder;
  const NamedTensors arrays = {{"last_hidden_state", counted<float>({2, 3, 4})},
                               {"päth/weights", counted<float>({3, 2}).transpose(0, 1)},
                               {"none", Tensor::empty({0})}};
  write_npz(folder / "a.npz", arrays);
  write_npz(folder / "b.npz", arrays);
  EXPECT_EQ(read_file(folder / "a.npz"), read_file(folder / "b.npz"));
  const NamedTensors back = read_npz(folder / "a.npz");
  ASSERT_EQ(back.size(), arrays.size());
  for (size_t i = 0; i < back.size(); ++i) {
    EXPECT_EQ(back[i].first, arrays[i].first);
    expect_same(back[i].second, arrays[i].second.contiguous());
  }
}

TEST(Npz, BadFiles) {
  const TemporaryFolder folder;
  expect_error(ErrorCode::corrupt_data, {"needed a .npz file", "0 bytes"},
               [] { parse_npz("", "x.npz"); });
  std::string content = read_file(golden("stored.npz"));
  expect_error(ErrorCode::corrupt_data, {"x.npz", "zip"}, [&] {
    parse_npz(std::string_view(content).substr(0, content.size() - 30), "x.npz");
  });
  content[150] = '\x55';  // within the first array: its sum no longer fits
  expect_error(ErrorCode::corrupt_data, {"x.npz: 'y.npy'"}, [&] { parse_npz(content, "x.npz"); });
  expect_error(ErrorCode::invalid_argument, {"'a' is given twice"}, [&] {
    write_npz(folder / "a.npz", {{"a", Tensor::zeros({1})}, {"a", Tensor::zeros({1})}});
  });
  expect_error(ErrorCode::invalid_argument, {"at least one array"},
               [&] { write_npz(folder / "a.npz", {}); });
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(Npz, ABombIsRefusedBeforeMemoryIsTaken) {
  std::string content = read_file(golden("deflated.npz"));
  // Entry 'ids' claims 2^31 bytes in the central directory (uncompressed size, offset 24).
  const size_t directory = content.rfind("PK\1\2");
  ASSERT_NE(directory, std::string::npos);
  content[directory + 27] = '\x7f';
  expect_error(ErrorCode::corrupt_data, {"cannot hold"}, [&] { parse_npz(content, "x.npz"); });
}

TEST(Npz, AFullDiskLeavesTheOldFileAndNothingElse) {
  const TemporaryFolder folder;
  write_npz(folder / "a.npz", {{"a", Tensor::zeros({4})}});
  const std::string old = read_file(folder / "a.npz");
  struct rlimit before = {};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  struct rlimit small = before;
  small.rlim_cur = 1 << 16;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  expect_error(ErrorCode::io_failure, {"cannot write", "a.npz"}, [&] {
    write_npz(folder / "a.npz", {{"a", Tensor::zeros({1 << 20})}});
  });
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(read_file(folder / "a.npz"), old);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

}  // namespace
}  // namespace heed
