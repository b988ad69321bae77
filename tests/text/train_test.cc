// Learning tokenizers: worked by hand, read back, and what must be refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "heed/base/cancel.h"
#include "heed/io/json.h"
#include "heed/text/pipeline.h"
#include "heed/text/train_bpe.h"
#include "heed/text/train_tokenizer.h"
#include "heed/text/train_unigram.h"
#include "heed/text/unicode.h"
#include "heed/text/unigram_seeds.h"
#include "tests/expect_error.h"
#include "tests/support.h"

namespace heed {
namespace {

using Pieces = std::vector<std::string>;
using Merges = std::vector<std::pair<int32_t, int32_t>>;

TEST(TrainBpe, MergesTheMostFrequentPairAndOfEqualOnesThatOfLowestIds) {
  // ids: a 0, b 1, c 2; a b and b c stand 3 times each
  const std::vector<WordCount> words = {{U"abc", 3}, {U"cab", 0}};
  const LearnedPieces learned = train_bpe(words, {.vocab = 100, .min_frequency = 1});
  EXPECT_EQ(learned.pieces, (Pieces{"a", "b", "c", "ab", "abc"}));
  EXPECT_EQ(learned.merges, (Merges{{0, 1}, {3, 2}}));
}

TEST(TrainBpe, OverlappingPairsAreMergedFromTheLeft) {
  const LearnedPieces learned = train_bpe({{U"aaaaa", 4}}, {.vocab = 3, .min_frequency = 1});
  EXPECT_EQ(learned.pieces, (Pieces{"a", "aa", "aaa"}));  // aa a and aa aa stand once each
}

TEST(TrainBpe, SpecialTokensComeFirstAndRarePairsAreLeft) {
  const BpeTraining options{
      .vocab = 100, .min_frequency = 3, .special = {"<s>", "b"}, .alphabet = U"z"};
  const LearnedPieces learned = train_bpe({{U"ab", 3}, {U"bc", 2}}, options);
  EXPECT_EQ(learned.pieces, (Pieces{"<s>", "b", "a", "c", "z", "ab"}));
}

TEST(TrainBpe, ContinuingPiecesHaveThePrefixOnce) {
  const BpeTraining options{.vocab = 100, .min_frequency = 1, .continuing_prefix = "##"};
  const LearnedPieces learned = train_bpe({{U"abab", 2}}, options);
  EXPECT_EQ(learned.pieces, (Pieces{"a", "b", "##a", "##b", "ab", "##ab", "abab"}));
}

TEST(TrainBpe, TheOrderOfWordsDecidesNothing) {
  std::vector<WordCount> words = {{U"hello", 5}, {U"help", 5}, {U"yellow", 5}, {U"low", 5}};
  const BpeTraining options{.vocab = 20, .min_frequency = 1};
  const LearnedPieces forward = train_bpe(words, options);
  std::reverse(words.begin(), words.end());
  const LearnedPieces backward = train_bpe(words, options);
  EXPECT_EQ(forward.pieces, backward.pieces);
  EXPECT_EQ(forward.merges, backward.merges);
}

TEST(TrainBpe, TellsHowFarItIsAndStopsWhenAsked) {
  int64_t last = 0;
  const auto progress = [&](int64_t done, int64_t total) {
    EXPECT_EQ(total, 5);
    EXPECT_GT(done, last);
    last = done;
  };
  train_bpe({{U"abcd", 3}}, {.vocab = 5, .min_frequency = 1}, progress);
  EXPECT_EQ(last, 5);
  request_cancel();
  expect_error(ErrorCode::cancelled, {}, [] { train_bpe({{U"abc", 3}}, {.vocab = 9}); });
  clear_cancel();
}

std::string learn(const TokenizerTraining& options, const std::vector<std::string>& texts) {
  TokenizerTrainer trainer(options);
  for (const std::string& text : texts) trainer.add(text);
  return trainer.train();
}

std::shared_ptr<const Tokenizer> trained(const TokenizerTraining& options,
                                         const std::vector<std::string>& texts) {
  return tokenizer_from_json(learn(options, texts), "trained");
}

const std::vector<std::string> kTexts = {
    "The cat sat on the mat.\n", "The cats sat, the mats sat.\n", "Gr\u00fc\u00dfe \u4f60\u597d\n"};

TEST(TrainTokenizer, CharactersComeBackAsTheyWere) {
  const auto tokenizer = trained({.kind = TokenizerKind::characters}, {"ba\n", "c\u00e9 \n"});
  EXPECT_EQ(tokenizer->vocab_size(), 6);
  const Encoding got = tokenizer->encode("\n cab\u00e9");
  EXPECT_EQ(got.ids, (std::vector<int32_t>{0, 1, 4, 2, 3, 5}));  // by code point
  EXPECT_EQ(tokenizer->decode(got.ids), "\n cab\u00e9");
}

TEST(TrainTokenizer, BytePairsTakeAnyTextAndGiveItBack) {
  const auto tokenizer = trained({.vocab = 280}, kTexts);
  EXPECT_EQ(tokenizer->kind(), "BPE");
  EXPECT_LE(tokenizer->vocab_size(), 280);
  EXPECT_EQ(tokenizer->id_of("<|endoftext|>"), 0);
  EXPECT_TRUE(tokenizer->id_of("\u0120sat"));
  for (const std::string text : {"The cat sat.", "\n\n  \u0434\u0430 \U0001F600\t", ""}) {
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text).ids), text);
  }
}

TEST(TrainTokenizer, WordPieceHasBertsTemplate) {
  const auto tokenizer =
      trained({.kind = TokenizerKind::wordpiece, .vocab = 60, .lowercase = true}, kTexts);
  EXPECT_EQ(tokenizer->kind(), "WordPiece");
  const Encoding got = tokenizer->encode("The CAT");
  EXPECT_EQ(got.tokens.front(), "[CLS]");
  EXPECT_EQ(got.tokens.back(), "[SEP]");
  EXPECT_EQ(tokenizer->decode(got.ids), "the cat");
  EXPECT_EQ(tokenizer->encode("\u03a9", {.add_special = false}).tokens, (Pieces{"[UNK]"}));
  EXPECT_EQ(tokenizer->pad_id(), 0);
}

TEST(TrainUnigram, FindsThePiecesThatWordsAreMadeOf) {
  std::vector<WordCount> words;
  for (const char32_t* first : {U"walk", U"talk", U"jump", U"look"}) {
    for (const char32_t* last : {U"ing", U"ed", U"s", U"er"}) {
      words.push_back({std::u32string(first) + last, 10});
    }
  }
  const auto pieces = train_unigram(words, {.vocab = 40});
  const auto has = [&](const char* text) {
    return std::any_of(pieces.begin(), pieces.end(),
                       [&](const auto& piece) { return piece.first == text; });
  };
  EXPECT_TRUE(has("jump") && has("walk") && has("talk") && has("look"));
  EXPECT_LE(pieces.size(), 40U);
  EXPECT_TRUE(std::is_sorted(pieces.begin(), pieces.end(),
                             [](const auto& a, const auto& b) { return a.second > b.second; }));
  std::reverse(words.begin(), words.end());
  EXPECT_EQ(train_unigram(words, {.vocab = 40}), pieces);
}

TEST(TrainUnigram, SeedsAreSubstringsOfOneScriptThatSomethingDifferentFollows) {
  const auto seeds = [](const std::vector<WordCount>& words) {
    std::vector<std::pair<std::string, double>> out;
    for (const UnigramSeed& seed : unigram_seeds(words, 3, 100)) {
      if (seed.piece.size() > 1) out.emplace_back(to_utf8(seed.piece), seed.weight);
    }
    return out;
  };
  using Seeds = std::vector<std::pair<std::string, double>>;
  EXPECT_EQ(seeds({{U"abc", 5}, {U"abd", 2}}), (Seeds{{"ab", 14}}));
  EXPECT_EQ(seeds({{U"abc", 5}}), Seeds{});                // always another word follows
  EXPECT_EQ(seeds({{U"ab", 5, 1}}), (Seeds{{"ab", 10}}));  // or the text ends
  EXPECT_EQ(seeds({{U"a.b", 5, 1}, {U"b", 1}}), Seeds{});  // letters and punctuation do not mix
  EXPECT_EQ(seeds({{U"\u2581a\u0301", 2, 1}}),
            (Seeds{{"\u2581a\u0301", 6}, {"a\u0301", 4}}));  // but marks go with any script
}

TEST(TrainUnigram, LearnsTheSamePiecesAsSentencePiece) {
  const Json golden = read_json(testing::golden_folder() / "unigram_training.json");
  for (const Json& entry : golden["entries"]) {
    const int64_t vocab = entry["vocab"];
    SCOPED_TRACE(vocab);
    const Json learned = Json::parse(learn({.kind = TokenizerKind::unigram, .vocab = vocab},
                                           entry["texts"].get<std::vector<std::string>>()));
    std::map<std::string, double> scores;
    for (const Json& piece : learned["model"]["vocab"]) scores[piece[0]] = piece[1];
    ASSERT_EQ(scores.size(), entry["pieces"].size() + 3);  // and the special ones
    for (const Json& piece : entry["pieces"]) {
      const auto found = scores.find(piece[0]);
      ASSERT_NE(found, scores.end()) << piece;
      EXPECT_NEAR(found->second, piece[1].get<double>(), 1e-3) << piece;  // its sums are f32
    }
  }
}

TEST(TrainUnigram, AWordOrTwoAreEnough) {
  for (const char32_t* word : {U"a", U"aaaaaaaa", U"abababab"}) {
    EXPECT_FALSE(train_unigram({{word, 1, 1}}, {.vocab = 4}).empty());
  }
}

TEST(TrainTokenizer, UnigramHasT5sTemplateAndGivesTextsBack) {
  const auto tokenizer = trained({.kind = TokenizerKind::unigram, .vocab = 60}, kTexts);
  EXPECT_EQ(tokenizer->kind(), "Unigram");
  EXPECT_LE(tokenizer->vocab_size(), 60);
  EXPECT_EQ(tokenizer->pad_id(), 0);
  EXPECT_EQ(tokenizer->encode("The cat").ids.back(), 1);
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("The cat sat.").ids), "The cat sat.");
  EXPECT_EQ(tokenizer->encode("\u03a9", {.add_special = false}).ids.back(), 2);
}

TEST(TrainTokenizer, SpecialTokensAndTheUnknownOne) {
  const auto tokenizer = trained({.kind = TokenizerKind::characters,
                                  .vocab = 5,
                                  .special = Pieces{"<pad>", "<s>"},
                                  .unknown = "<unk>"},
                                 {"aab", "abc"});
  EXPECT_EQ(tokenizer->vocab_size(), 5);  // c has no room
  EXPECT_EQ(tokenizer->encode("<s>acb").ids, (std::vector<int32_t>{1, 3, 2, 4}));
  EXPECT_EQ(tokenizer->pad_id(), 0);
  EXPECT_EQ(tokenizer->decode(std::vector<int32_t>{1, 3, 0}), "a");
}

TEST(TrainTokenizer, TheOrderOfTextsDecidesNothing) {
  for (const auto kind : {TokenizerKind::characters, TokenizerKind::bpe, TokenizerKind::wordpiece,
                          TokenizerKind::unigram}) {
    const TokenizerTraining options{.kind = kind, .vocab = 300};
    EXPECT_EQ(learn(options, kTexts), learn(options, {kTexts.rbegin(), kTexts.rend()}));
  }
}

TEST(TrainTokenizer, RefusesWhatCannotBe) {
  const auto refused = [](const TokenizerTraining& options,
                          std::initializer_list<std::string_view> parts) {
    expect_error(ErrorCode::invalid_argument, parts, [&] { learn(options, kTexts); });
  };
  refused({.vocab = 0}, {"vocab", "at least 1"});
  refused({.vocab = 256}, {"vocab must be at least 257", "256 bytes", "is 256"});
  refused({.kind = TokenizerKind::characters, .vocab = 3},
          {"vocab must be at least", "characters"});
  refused({.kind = TokenizerKind::wordpiece, .vocab = 9}, {"vocab must be at least", "characters"});
  refused({.kind = TokenizerKind::characters, .min_frequency = 2},
          {"occur less than 2", "unknown"});
  refused({.min_frequency = 0}, {"min_frequency", "0"});
  refused({.special = Pieces{"a", "a"}}, {"'a'", "twice"});
  refused({.special = Pieces{""}}, {"not empty"});
  refused({.unknown = "<unk>"}, {"nothing is unknown"});
  refused({.kind = TokenizerKind::unigram, .vocab = 9}, {"vocab must be at least", "characters"});
  refused({.kind = TokenizerKind::unigram, .min_frequency = 2}, {"min_frequency", "likelihood"});
  expect_error(ErrorCode::invalid_argument, {"found none"}, [] { learn({}, {""}); });
}

}  // namespace
}  // namespace heed
