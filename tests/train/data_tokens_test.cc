// Data that need a tokenizer: BERT's, from the shared data.

#include <gtest/gtest.h>

#include <algorithm>

#include "heed/text/pipeline.h"
#include "heed/train/data_columns.h"
#include "heed/train/data_text.h"
#include "tests/expect_error.h"
#include "tests/support.h"

namespace heed {
namespace {

std::shared_ptr<const Tokenizer> bert_tokenizer() {
  const auto data = testing::data_folder();
  return data.empty() ? nullptr : Tokenizer::load(data / "tokenizers" / "bert-base-uncased");
}

TEST(TokenData, AlignsTagsWithFirstPieces) {
  HEED_NEED_DATA(testing::data_folder());
  const auto tokenizer = bert_tokenizer();
  const TaggedSentence sentence{{"Visit", "Llanfair", "'s", "zoo"}, {"O", "B-place", "O", "O"}, 1};
  const LabelNames tags({"O", "B-place"});
  const TaggedTokens tokens = align_tags(sentence, *tokenizer, tags, 32);
  std::vector<std::string> seen;
  for (size_t i = 0; i < tokens.ids.size(); ++i) {
    if (tokens.targets[i] != -100) {
      seen.push_back(tokenizer->token_of(tokens.ids[i]) + "=" + tags.name(tokens.targets[i]));
    }
  }
  EXPECT_EQ(seen, (std::vector<std::string>{"visit=O", "ll=B-place", "'=O", "zoo=O"}));
  EXPECT_EQ(align_tags(sentence, *tokenizer, tags, 4).ids.size(), 4U);
  expect_error(ErrorCode::invalid_argument, {"the tag 'B-place'"},
               [&] { align_tags(sentence, *tokenizer, LabelNames({"O"}), 32); });
}

/// The ids of a text that is read in parts, which are those of the whole.
std::vector<int32_t> expect_whole(const std::string& text, const Tokenizer& tokenizer) {
  const TokenStream tokens = TokenStream::from_text(text, tokenizer);
  const auto whole = tokenizer.encode(text, {.add_special = false}).ids;
  std::vector<int32_t> ids(static_cast<size_t>(tokens.size()));
  tokens.copy(0, tokens.size(), ids.data());
  EXPECT_EQ(ids, whole);
  return ids;
}

TEST(TokenData, LongTextsAreCutWhereNoTokenCrosses) {
  HEED_NEED_DATA(testing::data_folder());
  const auto tokenizer = bert_tokenizer();
  std::string text;
  while (text.size() < 700000) text += "The cat sat on the mat, and\nthen it left.\n\n";
  expect_whole(text, *tokenizer);
}

TEST(TokenData, NoNewLineIsCutFromTheSignThatItBelongsTo) {
  // newer models' pattern, and a merge of a full stop with what it joins
  const auto tokenizer = tokenizer_from_json(R"({
    "model": {"type": "BPE",
              "vocab": {"ã": 0, "Ģ": 1, "Ĥ": 2, "Ċ": 3, "ä": 4, "¸": 5, "Ń": 6, "ãĢ": 7,
                        "ãĢĤ": 8, "ãĢĤĊ": 9},
              "merges": ["ã Ģ", "ãĢ Ĥ", "ãĢĤ Ċ"]},
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
      {"type": "Split", "pattern": {"Regex": "[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\p{L}+|\\s+"},
       "behavior": "Isolated", "invert": false},
      {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}]},
    "decoder": {"type": "ByteLevel"}})",
                                             "tokenizer.json");
  std::string text;
  while (text.size() < 700000) text += "中中。\n";
  const auto ids = expect_whole(text, *tokenizer);
  EXPECT_EQ(std::ranges::count(ids, 3), 0);
}

}  // namespace
}  // namespace heed
