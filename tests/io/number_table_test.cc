#include "heed/io/number_table.h"

#include <gtest/gtest.h>

#include "heed/base/file.h"
#include "heed/io/npy.h"
#include "tests/expect_error.h"
#include "tests/support.h"

namespace heed {
namespace {

using Names = std::vector<std::string>;

std::vector<float> values(const NumberTable& table) {
  const auto span = table.values.span<float>();
  return {span.begin(), span.end()};
}

TEST(NumberTable, ReadsNamesWhereTheyStand) {
  const NumberTable plain = parse_number_table("1,2\n3,4\n", "t");
  EXPECT_EQ(values(plain), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_TRUE(plain.rows.empty() && plain.columns.empty());
  const NumberTable named = parse_number_table("word,a,b\nriver,.9,+1e-1\n\"x, y\",1,2", "t");
  EXPECT_EQ(named.rows, (Names{"river", "x, y"}));
  EXPECT_EQ(named.columns, (Names{"a", "b"}));
  EXPECT_EQ(values(named), (std::vector<float>{.9f, .1f, 1, 2}));
}

TEST(NumberTable, AByteOrderMarkIsNoName) {
  const NumberTable table = parse_number_table(
      "\xEF\xBB\xBF"
      "1,2\r\n3,4\r\n",
      "t");
  EXPECT_EQ(values(table), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_TRUE(table.rows.empty() && table.columns.empty());
}

TEST(NumberTable, FaultsNameThePlaceAndTheNeed) {
  const auto expect_fault = [](const std::string& content, const std::string& message) {
    expect_error(ErrorCode::corrupt_data, {message}, [&] { parse_number_table(content, "t.csv"); });
  };
  expect_fault("", "t.csv: needed rows of numbers, found none");
  expect_fault("a,b\n", "line 1: needed numbers, found only names");
  expect_fault("1;2\n3;4\n", "line 1: needed numbers with commas between them, found '1;2'");
  expect_fault("1,2\n3\n", "line 2: needed 2 cells as in line 1, found 1");
  expect_fault("1,2\n3,inf\n", "line 2, column 2: needed a finite number, found 'inf'");
  expect_fault("1,2\n3,1e99\n", "line 2, column 2: needed a finite number, found '1e99'");
  expect_fault("1,\"2\n", "t.csv:1: the quote opened here is never closed");
}

TEST(NumberTable, ReadsArrays) {
  const testing::TemporaryFolder folder;
  const auto file = folder / "t.npy";
  const Tensor numbers = Tensor::from({1, 2, 3, 4, 5, 6}, {2, 3});
  write_npy(file, numbers.to(DType::f64));
  EXPECT_EQ(values(read_number_table(file)), (std::vector<float>{1, 2, 3, 4, 5, 6}));
  write_npy(file, Tensor::zeros({2, 2}, DType::i64));
  expect_error(ErrorCode::corrupt_data, {"needed an array of floats, found i64"},
               [&] { read_number_table(file); });
  write_npy(file, Tensor::zeros({2, 2, 2}));
  expect_error(ErrorCode::corrupt_data, {"needed an array of rank 2, found [2, 2, 2]"},
               [&] { read_number_table(file); });
}

}  // namespace
}  // namespace heed
