#include "heed/text/unicode.h"

#include <gtest/gtest.h>

#include "heed/text/normal_form.h"

namespace heed {
namespace {

std::string replaced(std::string_view bytes) { return to_utf8(decode_utf8(bytes).chars); }

TEST(DecodeUtf8, ReplacesAsPythonDoes) {
  EXPECT_EQ(replaced("a\xff"
                     "b"),
            "a\uFFFDb");
  EXPECT_EQ(replaced("\xc0\xaf"), "\uFFFD\uFFFD");
  EXPECT_EQ(replaced("\xe2\x82"), "\uFFFD");
  EXPECT_EQ(replaced("\xe2\x82x"), "\uFFFDx");
  EXPECT_EQ(replaced("\xf0\x9f\x98 y"), "\uFFFD y");
  EXPECT_EQ(replaced("\xed\xa0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(replaced("\xf4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(replaced("\xe0\x80\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(replaced("\xf0\x90\x80"), "\uFFFD");
}

TEST(DecodeUtf8, KnowsWhereEachCharacterStood) {
  const DecodedText text = decode_utf8("a\xc3\xa4\xf0\x9f\x98z\U0001F600");
  EXPECT_EQ(text.chars, U"a\u00e4\uFFFDz\U0001F600");
  EXPECT_EQ(text.byte_starts, (std::vector<uint32_t>{0, 1, 3, 6, 7, 11}));
  EXPECT_EQ(decode_utf8("").byte_starts, std::vector<uint32_t>{0});
}

TEST(DecodeUtf8, EveryCodePointComesBack) {
  std::u32string all;
  for (char32_t c = 0; c < 0x110000; ++c) {
    if (c < 0xD800 || c > 0xDFFF) all += c;
  }
  const std::string bytes = to_utf8(all);
  EXPECT_TRUE(is_valid_utf8(bytes));
  EXPECT_TRUE(decode_utf8(bytes).chars == all);
  EXPECT_FALSE(is_valid_utf8(bytes.substr(0, bytes.size() - 1)));
}

TEST(Classes, EdgesOfRanges) {
  for (int kind = 0; kind < kCodePointClasses; ++kind) {
    char32_t last = 0;
    for (const CodePointRange& range : code_points_of(static_cast<CodePointClass>(kind))) {
      EXPECT_LE(range.first, range.last);
      EXPECT_TRUE(range.first == 0 || range.first > last + 1);
      last = range.last;
      const auto is = [&](char32_t c) { return is_class(c, static_cast<CodePointClass>(kind)); };
      EXPECT_TRUE(is(range.first) && is(range.last)) << std::hex << uint32_t{range.first};
      EXPECT_FALSE(is(range.last + 1) || (range.first > 0 && is(range.first - 1)));
    }
  }
  EXPECT_TRUE(is_whitespace(0x85) && is_whitespace(U'\v') && !is_whitespace(0x200B));
  EXPECT_TRUE(is_punctuation(U'$') &&
              !is_punctuation(U'\u20AC'));  // ASCII symbols count, others not
}

TEST(NormalForms, MovedAndNewCharactersKeepTheirPlaces) {
  AlignedText text = AlignedText::identity(U"\u00e9\u0323x", 5);
  normalize(text, NormalForm::nfd);
  EXPECT_EQ(text.chars, U"e\u0323\u0301x");
  const auto start = [&](size_t i) { return text.from[i].start; };
  EXPECT_EQ(std::vector({start(0), start(1), start(2), start(3)}),
            (std::vector<uint32_t>{5, 6, 6, 7}));
  normalize(text, NormalForm::nfc);
  EXPECT_EQ(text.chars, U"\u1eb9\u0301x");
  AlignedText hangul = AlignedText::identity(U"\u1112\u1161\u11ab\u1112", 0);
  normalize(hangul, NormalForm::nfc);
  EXPECT_EQ(hangul.chars, U"\ud55c\u1112");
  AlignedText ligature = AlignedText::identity(U"\ufb01", 0);
  normalize(ligature, NormalForm::nfkc);
  EXPECT_EQ(ligature.chars, U"fi");
  EXPECT_EQ(ligature.from[1].end, 1U);
}

}  // namespace
}  // namespace heed
