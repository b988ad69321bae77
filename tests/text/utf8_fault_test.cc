#include "heed/text/utf8_fault.h"

#include <gtest/gtest.h>

#include <vector>

#include "heed/base/log.h"

namespace heed {
namespace {

TEST(Utf8Fault, TheFirstByteAndItsLineAreNamed) {
  EXPECT_EQ(utf8_fault("", "f"), "");
  EXPECT_EQ(utf8_fault("a\n\u00e9 \U0001F600\n", "f"), "");
  EXPECT_EQ(utf8_fault("\xe9", "f"), "f:1: text must be UTF-8, found the byte 0xE9");
  EXPECT_EQ(utf8_fault("a\nb\n\xc3", "f"), "f:3: text must be UTF-8, found the byte 0xC3");
  EXPECT_EQ(utf8_fault("a\n\xff\n\xfe", "f", 7), "f:8: text must be UTF-8, found the byte 0xFF");
  EXPECT_EQ(utf8_fault("a\n\xff", "argument 2", 0),
            "argument 2: text must be UTF-8, found the byte 0xFF");
}

TEST(Utf8Fault, TheLogIsToldWhatIsReadInstead) {
  std::vector<std::string> told;
  set_log_sink([&](LogLevel level, std::string_view text) {
    EXPECT_EQ(level, LogLevel::warning);
    told.emplace_back(text);
  });
  EXPECT_FALSE(tell_utf8_fault("a", "f"));
  EXPECT_TRUE(tell_utf8_fault("\x80", "f"));
  set_log_sink({});
  EXPECT_EQ(told, std::vector<std::string>{"f:1: text must be UTF-8, found the byte 0x80; U+FFFD "
                                           "is read for such bytes"});
}

}  // namespace
}  // namespace heed
