#include "heed/tensor/tensor.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <limits>

#include "heed/base/error.h"
#include "heed/tensor/dims.h"
#include "heed/tensor/storage.h"
#include "tests/sanitized.h"

namespace heed {
namespace {

TEST(Tensor, ViewsShareElements) {
  const Tensor x = Tensor::from({1, 2, 3, 4, 5, 6}, {2, 3});
  const Tensor t = x.transpose(0, 1);
  EXPECT_EQ(t.shape(), (Shape{3, 2}));
  EXPECT_FALSE(t.is_contiguous());
  t.at({2, 0}) = 30;
  EXPECT_EQ(x.at({0, 2}), 30);
  EXPECT_EQ(t.contiguous().span<float>()[4], 30);
  EXPECT_EQ(x.slice(1, 1, 3).at({1, 1}), 6);
  EXPECT_EQ(x.select(0, 1).shape(), (Shape{3}));
  EXPECT_EQ(x.reshape({3, -1}).shape(), (Shape{3, 2}));
  EXPECT_EQ(x.expand({4, 2, 3}).at({3, 1, 2}), 6);
  EXPECT_EQ(x.unsqueeze(1).shape(), (Shape{2, 1, 3}));
}

TEST(Tensor, WrongSizesAreNamed) {
  try {
    Tensor::from({1, 2}, {3});
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "tensor: [3] needs 3 values, found 2");
  }
  EXPECT_THROW(Shape({int64_t{1} << 40, int64_t{1} << 40}).numel(), Error);
}

TEST(Dims, MessageNamesLetterAndSource) {
  const Tensor q = Tensor::zeros({2, 4, 8, 64});
  const Tensor k = Tensor::zeros({2, 2, 128, 60});
  try {
    Dims("attention").bind("q", q, "B H T D").bind("k", k, "B G S D");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "attention: k must be [B=2, G, S, D=64] but is [2, 2, 128, 60]; D is 64 in q");
  }
}

TEST(DType, HalfRoundTripsEveryValue) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float f16 = to_float(Float16{half});
    if (std::isnan(f16)) {
      EXPECT_TRUE(std::isnan(to_float(to_float16(f16))));
    } else {
      ASSERT_EQ(to_float16(f16).bits, half);
    }
    const float bf16 = to_float(BFloat16{half});
    if (!std::isnan(bf16)) {
      ASSERT_EQ(to_bfloat16(bf16).bits, half);
    }
  }
}

/// Bytes of address space.
int64_t mapped_bytes() {
  std::ifstream file("/proc/self/statm");
  int64_t pages = 0;
  file >> pages;
  return pages * sysconf(_SC_PAGESIZE);
}

TEST(Storage, BlocksOfEverOtherSizesDoNotPileUp) {
  if (testing::kSanitized) GTEST_SKIP() << "freed memory stays with the sanitizer";
  const int64_t limit = set_cached_memory_limit(std::numeric_limits<int64_t>::max());
  constexpr int64_t kMegabyte = 1 << 20;
  const int64_t before = mapped_bytes();
  int64_t most = 0;
  for (int64_t size = 128; size < 512; size += size / 8) {  // megabytes, never touched
    Tensor::empty({size * kMegabyte}, DType::u8);
    most = std::max(most, mapped_bytes() - before);
  }
  set_cached_memory_limit(limit);
  release_cached_memory();
  EXPECT_LT(most, 2 * 512 * kMegabyte);  // all of them are 3.5 GB
}

TEST(DType, HalfRoundsToNearestEven) {
  EXPECT_EQ(to_float16(1.0f + 0x1p-11f).bits, 0x3c00);      // a tie: even below
  EXPECT_EQ(to_float16(1.0f + 3 * 0x1p-11f).bits, 0x3c02);  // a tie: even above
  EXPECT_EQ(to_float16(65520.0f).bits, 0x7c00);             // rounds to infinity
  EXPECT_EQ(to_float16(65519.0f).bits, 0x7bff);
  EXPECT_EQ(to_float16(0x1p-25f).bits, 0);  // a tie with zero
  EXPECT_EQ(to_bfloat16(1.0f + 0x1p-8f).bits, 0x3f80);
  EXPECT_EQ(to_bfloat16(1.0f + 3 * 0x1p-8f).bits, 0x3f82);
}

}  // namespace
}  // namespace heed
