#include "heed/lens/labels.h"

#include <gtest/gtest.h>

#include <limits>

namespace heed {
namespace {

TEST(Labels, CleanTextCannotSteerATerminal) {
  EXPECT_EQ(clean_label("\033[31mred\n\tline"), " [31mred  line");
  EXPECT_EQ(clean_label("a\xff z"), "a\uFFFD z");
  EXPECT_EQ(clean_label("\u202Eright to left"), "right to left");
  EXPECT_EQ(clean_label("数据 naïve"), "数据 naïve");
}

TEST(Labels, WidthsAreWhatTerminalsShow) {
  EXPECT_EQ(display_width("river"), 5);
  EXPECT_EQ(display_width("数据"), 4);
  EXPECT_EQ(display_width("nai\u0308ve"), 5);
  EXPECT_EQ(display_width("👩‍👩‍👧"), 2);
  EXPECT_EQ(graphemes("nai\u0308ve").size(), 5U);
}

TEST(Labels, ShorteningKeepsWholeCharacters) {
  EXPECT_EQ(shorten("river", 5), "river");
  EXPECT_EQ(shorten("deposited", 5), "depo…");
  EXPECT_EQ(shorten("deposited", 5, false), "depo~");
  EXPECT_EQ(shorten("数据集", 4), "数…");
  EXPECT_EQ(shorten("deposited", 0), "");
  for (int columns = 0; columns < 12; ++columns) {
    EXPECT_LE(display_width(shorten("数nai\u0308ve据 deposited", columns)), columns);
    EXPECT_EQ(display_width(pad_left("数据", columns)), columns);
    EXPECT_EQ(display_width(pad_right("数据", columns)), columns);
    EXPECT_EQ(display_width(pad_center("数据", columns)), columns);
  }
}

TEST(Labels, ValuesReadWell) {
  EXPECT_EQ(format_value(0.617748f, 2), "0.62");
  EXPECT_EQ(format_value(-0.001f, 2), "0.00");
  EXPECT_EQ(format_value(-0.01f, 2), "-0.01");
  EXPECT_EQ(format_value(123456, 2), "123456");
  EXPECT_EQ(format_value(std::numeric_limits<float>::quiet_NaN(), 2), "-");
  EXPECT_EQ(format_value(-std::numeric_limits<float>::infinity(), 2), "-inf");
}

TEST(Labels, SentencesHaveOneSignAtTheirEnd) {
  EXPECT_EQ(as_sentence("river bank"), "river bank.");
  EXPECT_EQ(as_sentence(" Is it?\n"), "Is it?");
  EXPECT_EQ(as_sentence("It is."), "It is.");
  EXPECT_EQ(as_sentence(""), "");
}

TEST(Labels, RunsAreCalledByTheirEnds) {
  EXPECT_EQ(run_labels({0, 16, 17, 20}), (std::vector<std::string>{"0-15", "16", "17-19"}));
  EXPECT_EQ(run_labels({0, 1, 3}, {"the", "1"}), (std::vector<std::string>{"the", "1-2"}));
  EXPECT_TRUE(run_labels({0}).empty());
  EXPECT_TRUE(run_labels({}).empty());
}

TEST(Labels, LinesBreakAtSpaces) {
  const std::vector<std::string> lines = wrap("one two three", 7, true);
  EXPECT_EQ(lines, (std::vector<std::string>{"one two", "three"}));
  EXPECT_EQ(wrap("internationalisation", 7, true), (std::vector<std::string>{"intern…"}));
  EXPECT_EQ(wrap("internationalisation", 7, false), (std::vector<std::string>{"intern~"}));
}

}  // namespace
}  // namespace heed
