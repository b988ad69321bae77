// SentencePiece models: as their library cuts texts, as transformers arranges their ids, and every
// way a file can be wrong.
#include "heed/text/sentence_piece.h"

#include <gtest/gtest.h>

#include <cstring>

#include "heed/base/file.h"
#include "heed/io/json.h"
#include "heed/text/score_merges.h"
#include "heed/text/sentence_piece_file.h"
#include "tests/expect_error.h"
#include "tests/support.h"

namespace heed {
namespace {

using Ids = std::vector<int32_t>;
using Texts = std::vector<std::string>;

std::filesystem::path folder() { return testing::golden_folder() / "sentencepiece"; }

std::shared_ptr<const Tokenizer> arranged(const std::string& name, const std::string& config,
                                          const std::string& vocab = "") {
  return tokenizer_from_sentence_piece({.model = read_file(folder() / (name + ".model")),
                                        .settings = {.config = config},
                                        .vocab = vocab},
                                       name);
}

TEST(SentencePiece, CutsTextsAsItsLibrary) {
  const Json golden = read_json(folder() / "cases.json");
  for (const Json& entry : golden["entries"]) {
    const std::string name = entry["name"];
    const auto tokenizer = Tokenizer::load(folder() / (name + ".model"));
    for (const Json& test : entry["cases"]) {
      SCOPED_TRACE(name + ": " + test.dump());
      const Encoding got = tokenizer->encode(test["text"].get<std::string>());
      EXPECT_EQ(got.ids, test["ids"].get<Ids>());
      if (test.contains("decoded")) {
        EXPECT_EQ(tokenizer->decode(got.ids, false), test["decoded"].get<std::string>());
      }
    }
  }
}

TEST(SentencePiece, OffsetsLeaveOutTheSpaceInFront) {
  const auto tokenizer = Tokenizer::load(folder() / "unigram.model");
  const Encoding got = tokenizer->encode("  a  fo\u200b world ");
  EXPECT_EQ(got.tokens, (Texts{"\u2581a", "\u2581", "fo", "\u2581world"}));
  EXPECT_EQ(got.offsets, (std::vector<Span>{{2, 3}, {3, 5}, {5, 8}, {8, 14}}));
  EXPECT_EQ(got.words, (std::vector<int32_t>{0, 1, 1, 2}));
}

TEST(SentencePiece, WhatIsUnknownIsOneTokenShownAsText) {
  const auto tokenizer = Tokenizer::load(folder() / "unigram.model");
  const Encoding got = tokenizer->encode("\u2603\u2603a");
  ASSERT_GE(got.tokens.size(), 3U);
  EXPECT_EQ(got.tokens[1], "\u2603\u2603");
  EXPECT_EQ(got.ids[1], 0);
  EXPECT_EQ(got.offsets[1], (Span{0, 2}));
}

TEST(SentencePieceClasses, T5HasExtraIdsAndAnEnd) {
  const auto tokenizer =
      arranged("unigram", R"({"tokenizer_class": "T5TokenizerFast", "extra_ids": 2})");
  const auto plain = Tokenizer::load(folder() / "unigram.model");
  const int64_t pieces = plain->vocab_size();
  EXPECT_EQ(tokenizer->vocab_size(), pieces + 2);
  EXPECT_EQ(tokenizer->id_of("<extra_id_0>"), pieces + 1);
  Ids ids = plain->encode("a b").ids;
  ids.push_back(2);  // this model's </s>
  EXPECT_EQ(tokenizer->encode("a b").ids, ids);
  EXPECT_EQ(tokenizer->encode("<extra_id_1>", {.add_special = false}).ids,
            Ids{static_cast<int32_t>(pieces)});
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("a world").ids), "a world");
}

TEST(SentencePieceClasses, FairseqModelsMoveIdsByOne) {
  const auto plain = Tokenizer::load(folder() / "unigram.model");
  const auto roberta = arranged("unigram", R"({"tokenizer_class": "XLMRobertaTokenizer"})");
  Ids ids = {0};
  for (const int32_t id : plain->encode("hello \u2603").ids) ids.push_back(id == 0 ? 3 : id + 1);
  ids.push_back(2);
  EXPECT_EQ(roberta->encode("hello \u2603").ids, ids);
  EXPECT_EQ(roberta->encode_pair("a", "a").ids.size(), 2 * plain->encode("a").ids.size() + 4);
  EXPECT_EQ(roberta->id_of("<mask>"), plain->vocab_size() + 1);
  EXPECT_EQ(roberta->pad_id(), 1);

  const auto mbart =
      arranged("unigram", R"({"tokenizer_class": "MBartTokenizer", "src_lang": "de_DE"})");
  EXPECT_EQ(mbart->encode("hello").tokens.back(), "de_DE");
  EXPECT_EQ(mbart->vocab_size(), plain->vocab_size() + 1 + 26);
  const auto mbart50 = arranged("unigram", R"({"tokenizer_class": "MBart50Tokenizer"})");
  EXPECT_EQ(mbart50->encode("hello").tokens.front(), "en_XX");
  const auto camembert = arranged("unigram", R"({"tokenizer_class": "CamembertTokenizer"})");
  EXPECT_EQ(camembert->encode("hello").ids.front(), 5);
  EXPECT_EQ(camembert->encode("hello").ids.back(), 6);
}

TEST(SentencePieceClasses, MarianTakesIdsFromVocabJson) {
  const auto tokenizer =
      arranged("unigram", R"({"tokenizer_class": "MarianTokenizer"})",
               R"({"</s>": 0, "<unk>": 1, "\u2581a": 2, ">>de<<": 3, "<pad>": 4, "\u2603": 5})");
  EXPECT_EQ(tokenizer->encode(">>de<< a world").ids, (Ids{3, 2, 1, 0}));
  EXPECT_EQ(tokenizer->encode("a \u2603 \u2603\u2603").ids, (Ids{2, 1, 5, 1, 1, 0}))
      << "no piece of the model, but one of vocab.json";
  EXPECT_EQ(tokenizer->decode(Ids{2, 2, 0}), "a a");
  expect_error(ErrorCode::not_found, {"vocab.json"},
               [] { arranged("unigram", R"({"tokenizer_class": "MarianTokenizer"})"); });
}

TEST(SentencePieceClasses, OthersAreRefused) {
  expect_error(ErrorCode::unsupported, {"'ReformerTokenizer'", "T5", "tokenizer.json"},
               [] { arranged("unigram", R"({"tokenizer_class": "ReformerTokenizer"})"); });
}

TEST(SentencePieceClasses, T5EqualsItsTokenizerJson) {
  const auto data = testing::data_folder();
  HEED_NEED_DATA(data);
  const auto t5 = data / "tokenizers" / "t5";
  const auto json = Tokenizer::load(t5 / "tokenizer.json");
  const auto model = tokenizer_from_sentence_piece(
      {.model = read_file(t5 / "spiece.model"), .model_type = "t5"}, "spiece.model");
  EXPECT_EQ(model->vocab_size(), json->vocab_size());
  for (const std::string_view text :
       {"translate English to German: The house is wonderful.", "", "  a   b ", "\u00e9 \u2603",
        "x <extra_id_0> y", "Gr\u00f6\u00dfe 1,000.5 don't"}) {
    EXPECT_EQ(model->encode(text).ids, json->encode(text).ids) << text;
    EXPECT_EQ(model->encode_pair(text, "a").ids, json->encode_pair(text, "a").ids) << text;
    EXPECT_EQ(model->decode(model->encode(text).ids), json->decode(json->encode(text).ids));
  }
  EXPECT_EQ(json->encode("The house is wonderful.").ids, (Ids{37, 629, 19, 1627, 5, 1}));
  const auto pegasus = tokenizer_from_sentence_piece(
      {.model = read_file(t5 / "spiece.model"), .model_type = "pegasus"}, "pegasus");
  EXPECT_EQ(pegasus->encode("The house").ids, (Ids{37 + 103, 629 + 103, 1}));
  EXPECT_EQ(pegasus->id_of("<unk_102>"), 104);
}

std::string field(int number, const std::string& bytes) {
  return std::string(1, static_cast<char>(number << 3 | 2)) +
         std::string(1, static_cast<char>(bytes.size())) + bytes;
}
std::string piece(const std::string& text, int type) {
  return field(1, field(1, text) + std::string("\x18") + static_cast<char>(type));
}

std::string piece(const std::string& text, float score) {
  std::string bytes(sizeof(score), '\0');
  std::memcpy(bytes.data(), &score, sizeof(score));
  return field(1, field(1, text) + std::string("\x15") + bytes);
}

TEST(SentencePieceFile, AUserDefinedPieceOutweighsLittleMoreThanAllOthers) {
  // (bytes - 1) / 10: sentencepiece 0.2.3 takes it at -1, and the longer piece at -0.75
  for (const auto& [score, taken] : {std::pair(-1.0F, true), {-0.75F, false}}) {
    const std::string model = piece("<unk>", 2) + piece("a", -20.0F) + piece("\u2581", -20.0F) +
                              piece("b", -1.0F) + piece("aab", 4) + piece("aabb", score);
    const auto tokenizer = tokenizer_from_sentence_piece({.model = model}, "made");
    EXPECT_EQ(tokenizer->encode("aabb").tokens,
              taken ? (Texts{"\u2581", "aab", "b"}) : (Texts{"\u2581", "aabb"}));
  }
}

TEST(SentencePiece, NoPieceIsMergedOutOfSpecialOnes) {
  const std::string bpe = field(2, std::string("\x18\x02"));
  for (const int type : {1, 5}) {  // normal, and unused, which comes apart again
    const std::string model = bpe + piece("<unk>", 2) + piece("<s>", 3) + piece("a", 1) +
                              piece("b", 1) + piece("\u2581", 1) + piece("<unk>b", type) +
                              piece("<s>b", type) + piece("ab", type);
    const auto tokenizer = tokenizer_from_sentence_piece({.model = model}, "made");
    const Encoding got = tokenizer->encode("xxb");
    EXPECT_EQ(got.ids, (Ids{4, 0, 3})) << type;
    EXPECT_EQ(got.offsets, (std::vector<Span>{{0, 0}, {0, 2}, {2, 3}})) << type;
    EXPECT_EQ(tokenizer->encode("xb").ids, (Ids{4, 0, 3})) << type;
    EXPECT_EQ(tokenizer->encode("<s>b").ids, (Ids{1, 4, 3})) << type;
    EXPECT_EQ(tokenizer->encode("ab").ids, (type == 1 ? Ids{4, 7} : Ids{4, 2, 3}));
  }
}

TEST(ScoreMerges, AMegabyteInOnePieceTakesNoQuadraticTime) {
  const std::string letters(1 << 20, 'a');
  const std::string_view all = letters;
  EXPECT_TRUE(merges_of_scores({{all, -1}, {all.substr(1), -2}}).empty());
  const auto merges = merges_of_scores({{all, -1}, {all.substr(2), -2}, {"a", -3}, {"aa", -4}});
  ASSERT_EQ(merges.size(), 3U);
  EXPECT_EQ(merges[0].first, "aa");
  EXPECT_EQ(merges[1].second, "aa");
  EXPECT_EQ(merges[2], std::pair(std::string("a"), std::string("a")));
}

TEST(SentencePiece, WordsAreWholeAndUnknownOnesInARowAreOne) {
  const std::string words = field(2, std::string("\x18\x03"));  // a model of words
  const std::string model =
      words + piece("<unk>", 2) + piece("\u2581a", -1.0F) + piece("\u2581be", -1.0F);
  const auto tokenizer = tokenizer_from_sentence_piece({.model = model}, "made");
  const Encoding got = tokenizer->encode("a x yy be ab a");
  EXPECT_EQ(got.ids, (Ids{1, 0, 2, 0, 1}));
  EXPECT_EQ(got.tokens[1], "\u2581x\u2581yy");
  EXPECT_EQ(got.offsets[1], (Span{1, 6}));
}

TEST(SentencePieceFile, Faults) {
  const auto refused = [](const std::string& bytes, std::string_view what) {
    expect_error(ErrorCode::corrupt_data, {"file", what},
                 [&] { read_sentence_piece(bytes, "file"); });
  };
  const std::string unknown = piece("<unk>", 2);
  EXPECT_EQ(read_sentence_piece(unknown + piece("a", 1), "file").pieces.size(), 2U);
  refused("", "0 pieces for the unknown");
  refused(unknown + unknown, "2 pieces for the unknown");
  refused(unknown + piece("", 1), "empty");
  refused(unknown + piece("\xff", 1), "not UTF-8");
  refused(unknown + piece("a", 9), "type 9");
  refused(unknown + piece("<0x00>", 6), "1 pieces for bytes without byte_fallback");
  refused(unknown + piece("<00>", 6), "a byte '<00>'");
  refused("\x0b", "wire type 3");
  refused(
      "\x0a\x05"
      "a",
      "5 bytes where 1 are left");
  refused("\x0a", "1 bytes where 0 are left");
  refused(std::string(11, '\xff'), "more than 64 bits");
  refused(field(2, std::string("\x18\x09")), "a model of type 9");
}

}  // namespace
}  // namespace heed
