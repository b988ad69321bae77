#include "heed/tasks/chunks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <random>

#include "heed/text/unicode.h"
#include "tests/expect_error.h"
#include "tests/random_bert.h"
#include "tests/support.h"

namespace heed {
namespace {

/// A tokenizer that gives each ASCII letter a token: "ab" is one that it does not know.
class Chunks : public ::testing::Test {
 protected:
  Chunks() {
    std::string vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n.\n!\n\u3002\n\u4e2d\n\"\n";
    for (char c = 'a'; c <= 'z'; ++c) vocabulary += std::string(1, c) + "\n##" + c + "\n";
    write_file(folder_ / "vocab.txt", vocabulary);
    tokenizer_ = Tokenizer::load(folder_.path());
  }
  std::vector<std::string> cut(const std::string& text, int64_t tokens, int64_t overlap) const {
    std::vector<std::string> parts;
    for (const Chunk& chunk : cut_chunks(*tokenizer_, text, {tokens, overlap})) {
      parts.push_back(text.substr(static_cast<size_t>(chunk.bytes.start),
                                  static_cast<size_t>(chunk.bytes.end - chunk.bytes.start)));
    }
    return parts;
  }
  testing::TemporaryFolder folder_;
  std::shared_ptr<const Tokenizer> tokenizer_;
};

using List = std::vector<std::string>;

TEST_F(Chunks, EndAtSentences) {
  EXPECT_EQ(cut("a b. c d e! f g", 5, 0), (List{"a b.", "c d e!", "f g"}));
  EXPECT_EQ(cut("a b. c d e! f g", 7, 0), (List{"a b. c d e!", "f g"}));
  EXPECT_EQ(cut("a b.\" c d", 5, 0), (List{"a b.\"", "c d"}));
  EXPECT_EQ(cut("a b\n\nc d e", 4, 0), (List{"a b", "c d e"}));
  EXPECT_EQ(cut("  a b \n", 4, 0), List{"a b"});
  EXPECT_EQ(cut("a.b c", 3, 0), (List{"a.b", "c"}));  // no end without white space
}

TEST_F(Chunks, ShareTheLastSentences) {
  EXPECT_EQ(cut("a b. c. d e. f.", 7, 3), (List{"a b. c.", "c. d e. f."}));
  EXPECT_EQ(cut("a b. c. d e. f.", 7, 1), (List{"a b. c.", "d e. f."}));
}

TEST_F(Chunks, LongSentencesAreCutBetweenWordsAndLongWordsBetweenTokens) {
  EXPECT_EQ(cut("a b c d e f", 3, 0), (List{"a b c", "d e f"}));
  EXPECT_EQ(cut("a b c d e f", 3, 1), (List{"a b c", "c d e", "e f"}));
  EXPECT_EQ(cut("ab cd efghij", 4, 0), (List{"ab cd", "efgh", "ij"}));
  EXPECT_EQ(cut("\u4e2d\u4e2d\u4e2d\u3002\u4e2d\u4e2d", 4, 0),
            (List{"\u4e2d\u4e2d\u4e2d\u3002", "\u4e2d\u4e2d"}));
}

TEST_F(Chunks, NothingForWhiteSpaceAlone) {
  EXPECT_EQ(cut("", 4, 0), List{});
  EXPECT_EQ(cut(" \n\t \n", 4, 0), List{});
}

TEST_F(Chunks, PlacesInBytesCharactersAndLines) {
  const std::string text = "\n a\u4e2d.\n\n\u4e2d b";
  const auto chunks = cut_chunks(*tokenizer_, text, {3, 0});
  ASSERT_EQ(chunks.size(), 2u);
  EXPECT_EQ(chunks[0], (Chunk{{2, 7}, {2, 5}, 2}));
  EXPECT_EQ(chunks[1], (Chunk{{9, 14}, {7, 10}, 4}));
}

TEST_F(Chunks, AnyTextIsCoveredInOrderWithinTheLimits) {
  std::mt19937 random(1);
  const List parts = {"a",      "bc",   " ", "\n", ". ",  "\u4e2d",
                      "\u3002", "\xff", "!", "\"", "xyz", "\n\n"};
  for (int round = 0; round < 300; ++round) {
    std::string text;
    for (int i = static_cast<int>(random() % 120); i > 0; --i)
      text += parts[random() % parts.size()];
    const auto tokens = static_cast<int64_t>(1 + random() % 12);
    const auto overlap = static_cast<int64_t>(random() % static_cast<uint32_t>(tokens / 2 + 1));
    int64_t covered = 0, start = -1;
    for (const Chunk& chunk : cut_chunks(*tokenizer_, text, {tokens, overlap})) {
      EXPECT_GT(chunk.bytes.start, start);
      start = chunk.bytes.start;
      for (int64_t i = covered; i < chunk.bytes.start; ++i) {
        // between chunks there is white space, or what the tokenizer drops
        const char c = text[static_cast<size_t>(i)];
        EXPECT_TRUE(std::isspace(static_cast<unsigned char>(c)) || c == '\xff') << text;
      }
      EXPECT_GT(chunk.bytes.end, covered);
      covered = chunk.bytes.end;
      const auto part =
          std::string_view(text).substr(static_cast<size_t>(chunk.bytes.start),
                                        static_cast<size_t>(chunk.bytes.end - chunk.bytes.start));
      EXPECT_LE(static_cast<int64_t>(tokenizer_->encode(part, {.add_special = false}).ids.size()),
                tokens)
          << text;
      const auto before = std::string_view(text).substr(0, static_cast<size_t>(chunk.bytes.start));
      EXPECT_EQ(chunk.line, 1 + std::count(before.begin(), before.end(), '\n'));
      EXPECT_EQ(chunk.characters.start, static_cast<int64_t>(decode_utf8(before).chars.size()));
    }
  }
}

TEST_F(Chunks, Refused) {
  expect_error(ErrorCode::invalid_argument, {"at least 1", "0"}, [&] { cut("a", 0, 0); });
  expect_error(ErrorCode::invalid_argument, {"half", "4 and 3"}, [&] { cut("a", 4, 3); });
}

}  // namespace
}  // namespace heed
