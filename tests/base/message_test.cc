#include "heed/base/message.h"

#include <gtest/gtest.h>

namespace heed {
namespace {

TEST(Message, QuotesAreHarmless) {
  EXPECT_EQ(in_quotes("plain"), "'plain'");
  EXPECT_EQ(in_quotes("äh €😀"), "'äh €😀'");
  EXPECT_EQ(in_quotes("a\n\x1b[31m\x7f"), "'a\\x0a\\x1b[31m\\x7f'");
  EXPECT_EQ(in_quotes("\xc2\x9b"), "'\\xc2\\x9b'");           // CSI as a C1 control
  EXPECT_EQ(in_quotes("\xff\xc0\x80"), "'\\xff\\xc0\\x80'");  // not UTF-8
  EXPECT_EQ(in_quotes("\xed\xa0\x80\xe2\x82"),
            "'\\xed\\xa0\\x80\\xe2\\x82'");  // surrogate, cut short
  EXPECT_EQ(printable("a\tü"), "a\\x09ü");
  const std::string characters = in_quotes("x" + std::string(100, ' ') + [] {
    std::string text;
    for (int i = 0; i < 100; ++i) text += "€";
    return text;
  }());
  EXPECT_TRUE(characters.ends_with("€...'")) << characters;
  const std::string cut = in_quotes(std::string(1000, 'x'));
  EXPECT_EQ(cut.size(), 205);
  EXPECT_TRUE(cut.ends_with("...'"));
}

TEST(Message, ListsAreBounded) {
  EXPECT_EQ(listed({}), "");
  EXPECT_EQ(listed({"a", "b"}), "a, b");
  EXPECT_EQ(listed({"a", "b", "c", "d"}, 2), "a, b and 2 more");
}

TEST(Message, ClosestPrefersWhatContainsThenFewestEdits) {
  const std::vector<std::string> names = {"encoder.wieght", "bert.encoder.weight", "encoder.bias",
                                          "pooler"};
  EXPECT_EQ(closest("encoder.weight", names),
            (std::vector<std::string>{"bert.encoder.weight", "encoder.wieght"}));
  EXPECT_TRUE(closest("quite another thing", names).empty());
  EXPECT_TRUE(closest("", names).empty());
}

TEST(Message, ClosestKnowsInitialsAndLeavesOutWhatIsWithinByChance) {
  const std::vector<std::string> names = {"-h", "--layers", "--learning-rate", "weight_decay"};
  EXPECT_EQ(closest("--lr", names, 1), std::vector<std::string>{"--learning-rate"});
  EXPECT_EQ(closest("wd", names, 1), std::vector<std::string>{"weight_decay"});
  EXPECT_TRUE(closest("--hidden-size", names).empty());
}

TEST(Message, CountsHaveTheirNumber) {
  EXPECT_EQ(counted(0, "text"), "0 texts");
  EXPECT_EQ(counted(1, "text"), "1 text");
  EXPECT_EQ(counted(2, "text"), "2 texts");
}

TEST(Message, BytesForPeople) {
  EXPECT_EQ(human_bytes(999), "999 bytes");
  EXPECT_EQ(human_bytes(1000), "1.0 kB");
  EXPECT_EQ(human_bytes(999'999), "1.0 MB");
  EXPECT_EQ(human_bytes(90'900'000), "90.9 MB");
}

}  // namespace
}  // namespace heed
