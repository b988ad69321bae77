#include <gtest/gtest.h>

#include "heed/text/pipeline.h"
#include "tests/expect_error.h"

namespace heed {
namespace {

std::shared_ptr<const Tokenizer> letters() {
  return tokenizer_from_vocab("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\nc\nd\ne\n##a\n##b\n", {},
                              "letters");
}

TEST(Windows, CoverTheTextAndShareTheStride) {
  const auto windows = letters()->encode_windows("a b c d e a b", {.max_tokens = 5, .stride = 1});
  ASSERT_EQ(windows.size(), 3u);
  EXPECT_EQ(windows[0].tokens, (std::vector<std::string>{"[CLS]", "a", "b", "c", "[SEP]"}));
  EXPECT_EQ(windows[1].tokens, (std::vector<std::string>{"[CLS]", "c", "d", "e", "[SEP]"}));
  EXPECT_EQ(windows[2].tokens, (std::vector<std::string>{"[CLS]", "e", "a", "b", "[SEP]"}));
  EXPECT_EQ(windows[1].offsets[1], (Span{4, 5}));
  EXPECT_EQ(windows[2].words[1], 4);
}

TEST(Windows, OfATextThatFitsIsWhatEncodeGives) {
  const auto tokenizer = letters();
  for (const char* text : {"", "a", "a b c"}) {
    const auto windows = tokenizer->encode_windows(text, {.max_tokens = 5});
    ASSERT_EQ(windows.size(), 1u) << text;
    EXPECT_EQ(windows[0].ids, tokenizer->encode(text).ids) << text;
  }
}

TEST(Windows, OfAPairHaveTheFirstTextWhole) {
  const auto windows =
      letters()->encode_pair_windows("a b", "c d e a", {.max_tokens = 8, .stride = 2});
  ASSERT_EQ(windows.size(), 2u);
  EXPECT_EQ(windows[1].tokens,
            (std::vector<std::string>{"[CLS]", "a", "b", "[SEP]", "d", "e", "a", "[SEP]"}));
  EXPECT_EQ(windows[1].type_ids, (std::vector<int32_t>{0, 0, 0, 0, 1, 1, 1, 1}));
}

TEST(Windows, WithoutRoomAreRefused) {
  const auto tokenizer = letters();
  expect_error(ErrorCode::invalid_argument, {"windows of 3 tokens", "2 of them", "more than the 1"},
               [&] { tokenizer->encode_windows("a", {.max_tokens = 3, .stride = 1}); });
  expect_error(ErrorCode::invalid_argument, {"windows of 5 tokens", "5 of them"},
               [&] { tokenizer->encode_pair_windows("a b", "c", {.max_tokens = 5}); });
  expect_error(ErrorCode::invalid_argument, {"-1"},
               [&] { tokenizer->encode_windows("a", {.max_tokens = 9, .stride = -1}); });
}

TEST(Join, MakesTheTextOfPieces) {
  const std::vector<std::string> pieces = {"a", "##b", "?", "oth\xff"};
  EXPECT_EQ(letters()->join(pieces), "ab? oth\xEF\xBF\xBD");
  EXPECT_EQ(letters()->join({}), "");
}

TEST(MaskId, IsTheMasksOfBertAndRoberta) {
  EXPECT_EQ(mask_id(*letters()), 4);
  EXPECT_EQ(mask_id(*tokenizer_from_vocab("[UNK]\n[CLS]\n[SEP]\na\n", {}, "small")), std::nullopt);
}

}  // namespace
}  // namespace heed
