#include "heed/lens/words.h"

#include <gtest/gtest.h>

namespace heed {
namespace {

// "Don't re-read 数据" as WordPiece might cut it, with specials around.
Encoding sample() {
  Encoding e;
  const auto add = [&](const char* token, int32_t word, Span bytes, bool special = false,
                       int32_t type = 0) {
    e.ids.push_back(static_cast<int32_t>(e.ids.size()));
    e.tokens.emplace_back(token);
    e.words.push_back(word);
    e.byte_offsets.push_back(bytes);
    e.offsets.push_back(bytes);
    e.special.push_back(special);
    e.type_ids.push_back(type);
  };
  add("[CLS]", -1, {0, 0}, true);
  add("play", 0, {0, 4});
  add("##ing", 0, {4, 7});
  add("well", 1, {8, 12});
  add("[SEP]", -1, {0, 0}, true);
  add("well", 0, {0, 4}, false, 1);
  add("[SEP]", -1, {0, 0}, true, 1);
  return e;
}

TEST(Words, PiecesOfAWordStandTogether) {
  const std::vector<Word> words = group_words(sample(), "Playing well", "Well");
  ASSERT_EQ(words.size(), 6U);
  EXPECT_EQ(words[0].name, "[CLS]");
  EXPECT_TRUE(words[0].special);
  EXPECT_EQ(words[1].name, "Playing");
  EXPECT_EQ(words[1].pieces, (Span{1, 3}));
  EXPECT_EQ(words[2].name, "well");
  EXPECT_EQ(words[4].name, "Well");
  EXPECT_EQ(words[4].text, 1);
  EXPECT_EQ(single_pieces(sample())[2].name, "##ing");
}

TEST(Words, TokensAreNamedAsTheTextWritesThem) {
  Encoding e = sample();
  e.tokens[3] = "Ġwell";
  EXPECT_EQ(token_names(e, "Playing well", "Well"),
            (std::vector<std::string>{"[CLS]", "Play", "ing", "well", "[SEP]", "Well", "[SEP]"}));
  e.byte_offsets[2] = {4, 4};
  EXPECT_EQ(token_names(e, "Playing well", "Well")[2], "##ing");  // the text writes nothing for it
}

std::vector<std::string> names_of(const Encoding& e, std::string_view text,
                                  std::string_view second = {}) {
  std::vector<std::string> names;
  for (const Word& word : group_words(e, text, second)) names.push_back(word.name);
  return names;
}

// Pieces of one text, all of them one word to their tokenizer, as SentencePiece without a
// pre-tokenizer has it.
Encoding one_word(const std::vector<Span>& pieces) {
  Encoding e;
  for (const Span& piece : pieces) {
    e.ids.push_back(static_cast<int32_t>(e.ids.size()));
    e.tokens.emplace_back("piece");
    e.words.push_back(0);
    e.byte_offsets.push_back(piece);
    e.offsets.push_back(piece);
    e.special.push_back(false);
    e.type_ids.push_back(0);
  }
  return e;
}

using Names = std::vector<std::string>;

TEST(Words, EndAtSpacesAndSignsWhereTheTokenizerKnowsNone) {
  Encoding e = sample();
  e.words = {-1, 0, 0, 0, -1, 0, -1};  // "Playing well" is one word
  EXPECT_EQ(names_of(e, "Playing well", "Well"),
            (Names{"[CLS]", "Playing", "well", "[SEP]", "Well", "[SEP]"}));
  const Encoding line = one_word({{0, 0}, {0, 2}, {2, 6}, {6, 8}, {8, 12}, {12, 13}, {13, 16}});
  EXPECT_EQ(names_of(line, "Unable river. It"), (Names{"Unable", "river", ".", "It"}));
  EXPECT_EQ(names_of(one_word({{0, 4}, {4, 5}}), "bank,"), (Names{"bank", ","}));
  EXPECT_EQ(names_of(one_word({{0, 3}, {3, 9}}), "\u6211\u5750\u5728"),
            (Names{"\u6211", "\u5750\u5728"}));
}

TEST(Words, OfSignsAloneAreThoseOfTheTokenizer) {
  EXPECT_EQ(names_of(one_word({{0, 2}, {2, 4}}), "?!.."), (Names{"?!.."}));
}

TEST(Words, GoOnBehindWhatTheTokenizerLeavesOut) {
  EXPECT_EQ(names_of(one_word({{0, 2}, {5, 7}}), "un\u200bdo"), (Names{"undo"}));
}

TEST(Words, AreCharactersWhereTheTokenizerKnowsThoseAlone) {
  EXPECT_EQ(names_of(one_word({{0, 1}, {1, 2}, {2, 3}, {3, 4}}), "an I"),
            (Names{"a", "n", "\u2423", "I"}));
  // "\u2581" and a character, or its bytes, stand for the same one
  EXPECT_EQ(names_of(one_word({{0, 1}, {0, 1}, {1, 2}, {2, 3}}), "a b"), (Names{"a", "b"}));
}

TEST(Words, WeightsSumOverKeysAndAverageOverQueries) {
  const std::vector<Word> words = {{"a", {0, 1}}, {"b", {1, 3}}};
  const Tensor weights = Tensor::from({0.5f, 0.25f, 0.25f,  //
                                       0.2f, 0.3f, 0.5f,    //
                                       0.6f, 0.1f, 0.3f},
                                      {3, 3});
  const Tensor merged = to_words(weights, words);
  EXPECT_EQ(merged.shape(), (Shape{2, 2}));
  EXPECT_FLOAT_EQ(merged.at({0, 0}), 0.5f);
  EXPECT_FLOAT_EQ(merged.at({0, 1}), 0.5f);
  EXPECT_FLOAT_EQ(merged.at({1, 0}), 0.4f);
  EXPECT_FLOAT_EQ(merged.at({1, 1}), 0.6f);
  const Tensor state = Tensor::from({1, 2, 3, 4, 5, 8}, {3, 2});
  EXPECT_FLOAT_EQ(word_vectors(state, words).at({1, 1}), 6);
}

TEST(Words, EndAtSignsWhateverTheTokenizerSays) {
  EXPECT_TRUE(goes_on("play", "ing"));
  EXPECT_TRUE(goes_on("caf", "\u00e9s"));
  EXPECT_TRUE(goes_on("e", "\u0301"));  // a mark
  EXPECT_TRUE(goes_on("4", "2nd"));
  EXPECT_TRUE(goes_on("\xe2\x82", "\xac"));  // a character that was cut
  EXPECT_TRUE(goes_on("gr", "\xc3"));
  EXPECT_FALSE(goes_on("gr", "\xe2\x80"));
  EXPECT_FALSE(goes_on("gr", "\xf0\x9f"));
  EXPECT_FALSE(goes_on("play", " ing"));
  EXPECT_FALSE(goes_on("play ", "ing"));
  EXPECT_FALSE(goes_on("end", "."));
  EXPECT_FALSE(goes_on("\u201e", "Haus"));
  EXPECT_FALSE(goes_on("\u6570", "\u636e"));  // ideographs
  EXPECT_FALSE(goes_on("", "a"));
  Encoding e = sample();
  e.byte_offsets = {{0, 0}, {0, 4}, {4, 7}, {7, 8}, {8, 8}, {8, 12}, {12, 12}};
  split_at_signs(e, "Playing.well");
  EXPECT_EQ(e.words, (std::vector<int32_t>{-1, 0, 0, 1, -1, 2, -1}));
  e.special.assign(7, false);
  e.byte_offsets = {{0, 1}, {1, 2}, {2, 3}, {3, 4}, {4, 5}, {5, 6}, {6, 6}};
  split_at_signs(e, "ab cd.");  // a, b, a space, c, d, a sign, an empty piece
  EXPECT_EQ(e.words, (std::vector<int32_t>{0, 0, 1, 1, 1, 2, 2}));
}

TEST(Words, RowsAndColumnsMayBeOfTwoTexts) {
  const std::vector<Word> rows = {{"a", {0, 2}}}, columns = {{"x", {0, 1}}, {"y", {1, 3}}};
  const Tensor weights = Tensor::from({0.5f, 0.25f, 0.25f, 0.1f, 0.3f, 0.6f}, {2, 3});
  const Tensor merged = to_words(weights, rows, columns);
  EXPECT_EQ(merged.shape(), (Shape{1, 2}));
  EXPECT_FLOAT_EQ(merged.at({0, 0}), 0.3f);
  EXPECT_FLOAT_EQ(merged.at({0, 1}), 0.7f);
}

TEST(Words, LeadingDimensionsStay) {
  const std::vector<Word> words = {{"a", {0, 2}}, {"b", {2, 3}}};
  const Tensor merged = to_words(Tensor::full({2, 4, 3, 3}, 1.0f / 3), words);
  EXPECT_EQ(merged.shape(), (Shape{2, 4, 2, 2}));
  EXPECT_FLOAT_EQ(merged.at({1, 3, 0, 0}), 2.0f / 3);
}

TEST(Words, AreFoundAsWrittenThenInAnyCase) {
  const std::vector<Word> words = group_words(sample(), "Playing well", "Well");
  EXPECT_EQ(find_words(words, "well"), (std::vector<int64_t>{2}));
  EXPECT_EQ(find_words(words, "WELL"), (std::vector<int64_t>{2, 4}));
  EXPECT_TRUE(find_words(words, "[CLS]").empty());
  EXPECT_TRUE(find_words(words, "bank").empty());
}

TEST(Words, ChoicesAreRead) {
  EXPECT_EQ(parse_word_choice("bank").name, "bank");
  EXPECT_FALSE(parse_word_choice("bank").occurrence);
  EXPECT_EQ(parse_word_choice("bank:2").name, "bank");
  EXPECT_EQ(parse_word_choice("bank:2").occurrence, 2);
  EXPECT_EQ(parse_word_choice("bank:0").name, "bank:0");
  EXPECT_EQ(parse_word_choice(":").name, ":");
}

}  // namespace
}  // namespace heed
