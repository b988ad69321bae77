#include "heed/base/crc32c.h"

#include <gtest/gtest.h>

namespace heed {
namespace {

// RFC 3720, B.4
TEST(Crc32c, GivesThePublishedSums) {
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAU);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43U);
  std::string counted;
  for (char c = 0; c < 32; ++c) counted += c;
  EXPECT_EQ(crc32c(counted), 0x46DD794EU);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283U);
  EXPECT_EQ(crc32c(""), 0U);
}

TEST(Crc32c, IsEightHexadecimalDigits) {
  EXPECT_EQ(crc_text(0xE3069283U), "e3069283");
  EXPECT_EQ(crc_text(15), "0000000f");
}

}  // namespace
}  // namespace heed
