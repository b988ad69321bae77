// What encode and load promise beyond the goldens, and every way a file can be wrong.
#include "heed/text/tokenizer.h"

#include <gtest/gtest.h>

#include <functional>

#include "heed/base/file.h"
#include "heed/io/json.h"
#include "heed/text/pipeline.h"
#include "heed/text/text_stream.h"
#include "tests/expect_error.h"
#include "tests/support.h"

namespace heed {
namespace {

const Json kSmall = Json::parse(R"json({
  "version": "1.0", "truncation": {"max_length": 3}, "padding": {"strategy": {"Fixed": 128}},
  "added_tokens": [{"id": 1, "content": "[CLS]", "single_word": false, "lstrip": false,
                    "rstrip": false, "normalized": false, "special": true}],
  "normalizer": {"type": "BertNormalizer", "clean_text": true, "handle_chinese_chars": true,
                 "strip_accents": null, "lowercase": true},
  "pre_tokenizer": {"type": "BertPreTokenizer"},
  "post_processor": {"type": "BertProcessing", "cls": ["[CLS]", 1], "sep": ["[SEP]", 2]},
  "decoder": {"type": "WordPiece", "prefix": "##", "cleanup": true},
  "model": {"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 6,
            "vocab": {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "a": 3, "##b": 4, "ab": 5, "##ba": 6}}
})json");

std::shared_ptr<const Tokenizer> make(const Json& json) {
  return tokenizer_from_json(json.dump(), "file");
}

using Edit = std::function<void(Json&)>;

void expect_refused(ErrorCode code, std::initializer_list<std::string_view> parts,
                    const Edit& edit) {
  Json json = kSmall;
  edit(json);
  expect_error(code, parts, [&] { make(json); });
}

TEST(Encode, StoredTruncationAndPaddingAreIgnored) {
  EXPECT_EQ(make(kSmall)->encode("a a a a a").ids, (std::vector<int32_t>{1, 3, 3, 3, 3, 3, 2}));
}

TEST(Encode, TheLongestPieceWinsAndAWordWithAHoleIsUnknown) {
  const auto tokenizer = make(kSmall);
  const auto ids = [&](std::string_view text) {
    return tokenizer->encode(text, {.add_special = false}).ids;
  };
  EXPECT_EQ(ids("abba"), (std::vector<int32_t>{5, 6}));
  EXPECT_EQ(ids("abb"), (std::vector<int32_t>{5, 4}));
  EXPECT_EQ(ids("abxb"), (std::vector<int32_t>{0}));
  EXPECT_EQ(ids("abbbbb"), (std::vector<int32_t>{5, 4, 4, 4, 4}));
  EXPECT_EQ(ids("abbbbbb"), (std::vector<int32_t>{0}));  // 7 characters, 6 allowed
}

TEST(Encode, OffsetsAreInCharactersAndInBytesOfTheTextAsGiven) {
  // cleaning drops what replaced the broken bytes
  const Encoding got = make(kSmall)->encode(
      "\u00e0b \xf0\x9f"
      "ab");
  EXPECT_EQ(got.tokens, (std::vector<std::string>{"[CLS]", "ab", "ab", "[SEP]"}));
  EXPECT_EQ(got.offsets[1], (Span{0, 2}));
  EXPECT_EQ(got.byte_offsets[1], (Span{0, 3}));
  EXPECT_EQ(got.offsets[2], (Span{4, 6}));
  EXPECT_EQ(got.byte_offsets[2], (Span{6, 8}));
}

TEST(Encode, TruncationCountsSpecialTokensAndTellsOfItself) {
  const auto tokenizer = make(kSmall);
  const Encoding cut = tokenizer->encode("a a a a", {.max_tokens = 4});
  EXPECT_EQ(cut.ids, (std::vector<int32_t>{1, 3, 3, 2}));
  EXPECT_TRUE(cut.truncated);
  EXPECT_FALSE(tokenizer->encode("a a", {.max_tokens = 4}).truncated);
  EXPECT_EQ(tokenizer->encode("a", {.max_tokens = 2}).ids, (std::vector<int32_t>{1, 2}));
  const Encoding none = tokenizer->encode("a", {.add_special = false, .max_tokens = 0});
  EXPECT_TRUE(none.ids.empty() && none.truncated);
  EXPECT_TRUE(tokenizer->encode("a a", {.add_special = false, .max_tokens = 1}).truncated);
  EXPECT_FALSE(tokenizer->encode("a a", {.add_special = false, .max_tokens = 2}).truncated);
  expect_error(ErrorCode::invalid_argument, {"max_tokens is 1", "at least 2"},
               [&] { tokenizer->encode("a", {.max_tokens = 1}); });
  expect_error(ErrorCode::invalid_argument, {"max_tokens is 2", "at least 3"},
               [&] { tokenizer->encode_pair("a", "a", {.max_tokens = 2}); });
  expect_error(ErrorCode::invalid_argument, {"max_tokens is -1"},
               [&] { tokenizer->encode("a", {.add_special = false, .max_tokens = -1}); });
}

TEST(Encode, AnAddedTokenMayBeginInSpaceThatTheOneBeforeItTook) {
  Json json = kSmall;  // as the reference has it: the two overlap
  json["added_tokens"].push_back(json["added_tokens"][0]);
  json["added_tokens"][0].update({{"id", 7}, {"content", "<r>"}, {"rstrip", true}});
  json["added_tokens"][1].update({{"id", 8}, {"content", "  "}});
  const Encoding got = make(json)->encode("a <r>   a", {.add_special = false});
  EXPECT_EQ(got.ids, (std::vector<int32_t>{3, 7, 8, 3}));
  EXPECT_EQ(got.tokens[1], "<r>   ");
  EXPECT_EQ(got.offsets, (std::vector<Span>{{0, 1}, {2, 8}, {5, 7}, {8, 9}}));
}

TEST(Vocabulary, IdsOutside) {
  const auto tokenizer = make(kSmall);
  EXPECT_EQ(tokenizer->id_of("##ba"), 6);
  EXPECT_EQ(tokenizer->id_of("b"), std::nullopt);
  EXPECT_EQ(tokenizer->pad_id(), std::nullopt);
  expect_error(ErrorCode::invalid_argument, {"7", "[0, 7)"}, [&] { tokenizer->token_of(7); });
  expect_error(ErrorCode::invalid_argument, {"-1", "[0, 7)"},
               [&] { tokenizer->decode(std::vector<int32_t>{-1}); });
  // a model whose table has more rows than there are pieces may write such an id
  EXPECT_EQ(tokenizer->decode(std::vector<int32_t>{3, 7, 5}), "a ab");
}

TEST(Vocabulary, AStreamGoesOnAfterAnIdThatIsNoPiece) {
  TextStream stream(make(kSmall));
  std::string text;
  for (const int32_t id : {7, 3, 7, 5}) text += stream.add(id);
  EXPECT_EQ(text + stream.finish(), "a ab");
}

TEST(Vocabulary, AStreamLivesThroughDecodersThatTakeBack) {
  Json json = kSmall;
  json["decoder"] = Json::parse(R"json({"type": "Sequence", "decoders": [{"type": "Fuse"},
    {"type": "Replace", "pattern": {"String": "a##b"}, "content": ""}]})json");
  TextStream stream(make(json));
  EXPECT_EQ(stream.add(3), "a");
  EXPECT_EQ(stream.add(4), "");
}

TEST(TokenizerJson, VocabularyFaults) {
  expect_refused(ErrorCode::corrupt_data, {"file: model", "lacks the unknown token '[U]'"},
                 [](Json& j) { j["model"]["unk_token"] = "[U]"; });
  expect_refused(ErrorCode::corrupt_data, {"model.vocab", "'##ba'", "unique"},
                 [](Json& j) { j["model"]["vocab"]["##ba"] = 5; });
  expect_refused(ErrorCode::corrupt_data, {"model.vocab", "'##ba'", "holes", "found 7"},
                 [](Json& j) { j["model"]["vocab"]["##ba"] = 7; });
  for (const Json& wrong :
       {Json(-1), Json(1.5), Json("6"), Json(nullptr), Json(uint64_t{1} << 40)}) {
    expect_refused(ErrorCode::corrupt_data, {"model.vocab", "'##ba'", "whole number"},
                   [&](Json& j) { j["model"]["vocab"]["##ba"] = wrong; });
  }
  expect_refused(ErrorCode::corrupt_data, {"model.vocab", "object", "found a list"},
                 [](Json& j) { j["model"]["vocab"] = Json::array({"a"}); });
}

TEST(TokenizerJson, AddedTokenFaults) {
  const auto token = [](Json& j) -> Json& { return j["added_tokens"][0]; };
  expect_refused(ErrorCode::corrupt_data, {"'[CLS]' has id 2", "vocabulary gives it 1"},
                 [&](Json& j) { token(j)["id"] = 2; });
  expect_refused(ErrorCode::corrupt_data, {"'new' has id 9", "next free id is 7"}, [&](Json& j) {
    token(j)["content"] = "new";
    token(j)["id"] = 9;
  });
  expect_refused(ErrorCode::corrupt_data, {"'[CLS]' has id 1", "unique"},
                 [&](Json& j) { j["added_tokens"].push_back(Json(token(j))); });
  expect_refused(ErrorCode::unsupported, {"empty once normalised"}, [&](Json& j) {
    token(j)["content"] = "\u0001";
    token(j)["normalized"] = true;
    token(j)["id"] = 7;
  });
  expect_refused(ErrorCode::corrupt_data, {"added_tokens[0]", "\"lstrip\""},
                 [&](Json& j) { token(j).erase("lstrip"); });
  expect_refused(ErrorCode::corrupt_data, {"added_tokens[0].special", "true or false"},
                 [&](Json& j) { token(j)["special"] = 1; });
}

TEST(TokenizerJson, UnknownPartsAreNamedWithTheKnownOnes) {
  const auto unknown = [](const char* part, std::string_view known) {
    expect_refused(ErrorCode::unsupported, {part, "'Quantum'", known},
                   [&](Json& j) { j[part]["type"] = "Quantum"; });
  };
  unknown("normalizer", "BertNormalizer");
  unknown("pre_tokenizer", "WhitespaceSplit");
  unknown("post_processor", "TemplateProcessing");
  unknown("decoder", "WordPiece");
  unknown("model", "WordPiece");
  expect_refused(ErrorCode::unsupported, {"normalizer.pattern.Regex"}, [](Json& j) {
    j["normalizer"] = {{"type", "Replace"}, {"pattern", {{"Regex", "\\h"}}}, {"content", ""}};
  });
  expect_refused(ErrorCode::corrupt_data, {"pattern.String", "not empty"}, [](Json& j) {
    j["normalizer"] = {{"type", "Replace"}, {"pattern", {{"String", ""}}}, {"content", ""}};
  });
  expect_refused(ErrorCode::corrupt_data, {"behavior", "Isolated", "'Sideways'"}, [](Json& j) {
    j["pre_tokenizer"] = {{"type", "Punctuation"}, {"behavior", "Sideways"}};
  });
  expect_refused(ErrorCode::unsupported, {"version", "'2.0'"},
                 [](Json& j) { j["version"] = "2.0"; });
}

TEST(TokenizerJson, TemplateFaults) {
  const Json special = {{"[CLS]", {{"id", "[CLS]"}, {"ids", {1}}, {"tokens", {"[CLS]"}}}}};
  const auto part = [](const char* kind, const char* id) {
    return Json{{kind, {{"id", id}, {"type_id", 0}}}};
  };
  const auto refused = [&](std::initializer_list<std::string_view> parts, const Json& single,
                           const Json& tokens) {
    expect_refused(ErrorCode::corrupt_data, parts, [&](Json& j) {
      j["post_processor"] = {{"type", "TemplateProcessing"},
                             {"single", single},
                             {"pair", Json::array()},
                             {"special_tokens", tokens}};
    });
  };
  refused({"special_tokens", "\"[X]\""}, Json::array({part("SpecialToken", "[X]")}), special);
  refused({"single[0].Sequence.id", "\"A\"", "'B'"}, Json::array({part("Sequence", "B")}), special);
  refused({"single[0]", "\"Sequence\""}, Json::array({part("Other", "A")}), special);
  Json uneven = special;
  uneven["[CLS]"]["ids"] = {1, 2};
  refused({"as many tokens as ids"}, Json::array({part("SpecialToken", "[CLS]")}), uneven);
  uneven["[CLS]"]["ids"] = {7};
  refused({"id 7", "[0, 7)"}, Json::array({part("SpecialToken", "[CLS]")}), uneven);
  expect_refused(ErrorCode::corrupt_data, {"post_processor.cls", "token and id"},
                 [](Json& j) { j["post_processor"]["cls"] = Json::array({"[CLS]"}); });
}

TEST(TokenizerJson, MissingFieldsAndBrokenJson) {
  for (const char* field : {"unk_token", "continuing_subword_prefix", "max_input_chars_per_word"}) {
    expect_refused(ErrorCode::corrupt_data, {"file: model", field},
                   [&](Json& j) { j["model"].erase(field); });
  }
  expect_refused(ErrorCode::corrupt_data, {"\"model\""}, [](Json& j) { j.erase("model"); });
  expect_refused(ErrorCode::corrupt_data, {"normalizer", "\"lowercase\""},
                 [](Json& j) { j["normalizer"].erase("lowercase"); });
  expect_error(ErrorCode::corrupt_data, {"file", "byte"},
               [] { tokenizer_from_json("{\"model\": ", "file"); });
  expect_error(ErrorCode::corrupt_data, {"file:", "an object", "found a list"},
               [] { tokenizer_from_json("[]", "file"); });
  const auto with_vocab = [](const std::string& vocab) {
    return R"({"model": {"type": "WordPiece", "vocab": )" + vocab + "}}";
  };
  const std::pair<const char*, const char*> vocabularies[] = {
      {"[]", "model.vocab: needed an object, found a list"},
      {R"({"a": -1})", "the id of 'a': needed a whole number, from 0 on, found -1"},
      {R"({"a": {"b": 0}})", "the id of 'a': needed a whole number, from 0 on, found an object"},
      {R"({"a": 0, "b": 2})", "the id of 'b': needed an id below 2"},
      {R"({"a": 0, "b": 0})", "the id of 'b': needed an id of its own"},
      {R"({"a": 0, "a": 1})", "the piece 'a' has two ids, 0 and 1"}};
  for (const auto& [vocab, message] : vocabularies) {
    expect_error(ErrorCode::corrupt_data, {"file: model.vocab", message},
                 [&, text = vocab] { tokenizer_from_json(with_vocab(text), "file"); });
  }
  expect_error(ErrorCode::corrupt_data, {"nesting"},
               [] { tokenizer_from_json(std::string(100000, '['), "file"); });
}

constexpr std::string_view kVocab = "[PAD]\n[UNK]\r\n[CLS]\n[SEP]\na\n##b\nA\n";

TEST(VocabTxt, ReadsLinesAndSettings) {
  const auto lower = tokenizer_from_vocab(kVocab, {}, "vocab.txt");
  EXPECT_EQ(lower->vocab_size(), 7);
  EXPECT_EQ(lower->encode("Ab [PAD]").ids, (std::vector<int32_t>{2, 4, 5, 0, 3}));
  const auto cased = tokenizer_from_vocab(
      kVocab, {.config = R"({"do_lower_case": false, "pad_token": {"content": "a"}})"},
      "vocab.txt");
  EXPECT_EQ(cased->encode("Ab").ids, (std::vector<int32_t>{2, 6, 5, 3}));
  EXPECT_EQ(cased->pad_id(), 4);
}

TEST(VocabTxt, Faults) {
  const auto refused = [](ErrorCode code, std::initializer_list<std::string_view> parts,
                          std::string_view vocab, std::string_view config) {
    expect_error(code, parts, [&] {
      tokenizer_from_vocab(vocab, {.config = std::string(config)}, "vocab.txt");
    });
  };
  refused(ErrorCode::corrupt_data, {"vocab.txt", "unknown token '[UNK]'"}, "[CLS]\n[SEP]\n", "");
  refused(ErrorCode::corrupt_data, {"special token '[SEP]'"}, "[UNK]\n[CLS]\n", "");
  refused(ErrorCode::corrupt_data, {"'a' has two ids, 1 and 2"}, "[UNK]\na\na\n", "");
  refused(ErrorCode::corrupt_data, {"id 1 is not UTF-8"}, "[UNK]\n\xff\n", "");
  refused(ErrorCode::corrupt_data, {"unknown token"}, "", "");
  refused(ErrorCode::corrupt_data, {"tokenizer_config.json", "byte"}, kVocab, "{");
  refused(ErrorCode::corrupt_data, {"do_lower_case", "true or false"}, kVocab,
          R"({"do_lower_case": "yes"})");
  refused(ErrorCode::unsupported, {"tokenizer_class", "'MPNetTokenizer'"}, kVocab,
          R"({"tokenizer_class": "MPNetTokenizer"})");
  refused(ErrorCode::unsupported, {"do_basic_tokenize"}, kVocab, R"({"do_basic_tokenize": false})");
}

using Ids = std::vector<int32_t>;

TEST(AddedTokenFiles, AConfigsTokensHaveItsFlags) {
  const TokenizerSettings settings{.config = R"({"added_tokens_decoder": {
          "8": {"content": "<x>", "special": true, "lstrip": true, "rstrip": true},
          "7": {"content": "Covidword"},
          "9": {"content": "ab", "single_word": true, "normalized": false},
          "2": {"content": "[CLS]", "normalized": false},
          "1": {"content": "[UNK]", "special": true}},
          "extra_special_tokens": ["ab", "##b"]})",
                                   .added_tokens = R"({"a": 99})"};  // left unread
  const auto tokenizer = tokenizer_from_vocab(kVocab, settings, "vocab.txt");
  EXPECT_EQ(tokenizer->vocab_size(), 10);
  EXPECT_EQ(tokenizer->id_of("Covidword"), 7);
  const Encoding got = tokenizer->encode("a COVIDWORDa <x> a");
  EXPECT_EQ(got.ids, (Ids{2, 4, 7, 4, 8, 4, 3})) << "a normal one is found in lower case";
  EXPECT_EQ(got.offsets[4], (Span{12, 17})) << "with the spaces around it";
  EXPECT_EQ(tokenizer->encode("ab Ab aba").ids, (Ids{2, 9, 4, 5, 1, 3}));
  EXPECT_EQ(tokenizer->decode(got.ids), "a covidword a a");
  EXPECT_EQ(tokenizer->decode(Ids{9, 4}), "ab a") << "its own flag counts";
  EXPECT_EQ(tokenizer->encode("a##b").ids, (Ids{2, 4, 5, 3})) << "a special one";
  EXPECT_EQ(tokenizer->decode(got.ids, false), "[CLS] a covidword a <x> a [SEP]");
}

TEST(AddedTokenFiles, OlderFoldersHaveThemInAFileOfTheirOwn) {
  const auto tokenizer = tokenizer_from_vocab(
      "[PAD]\n[UNK]\n[SEP]\na\n##b\n",
      {.config = R"({"mask_token": "a"})",
       .special_tokens_map = R"({"mask_token": {"content": "[M]"}, "extra_special_tokens":
                                 ["<new>"]})",
       .added_tokens = R"({"covidword": 7, "<new>": 5, "[CLS]": 6, "[M]": 8})"},
      "vocab.txt");
  EXPECT_EQ(tokenizer->encode("a covidwordCOVIDWORD <new> <NEW> [M]").ids,
            (Ids{6, 3, 7, 7, 5, 1, 1, 1, 8, 2}))
      << "special ones as they stand";
  EXPECT_EQ(tokenizer->decode(Ids{6, 3, 7, 5, 8, 2}), "a covidword");
}

TEST(AddedTokenFiles, OfByteLevelAndSentencePieceToo) {
  const auto bytes = tokenizer_from_merges({.vocab = R"({"a": 0, "\u0120": 1, "b": 2})",
                                            .merges = "",
                                            .settings = {.added_tokens = R"({"<pad>": 3})"}},
                                           "folder");
  EXPECT_EQ(bytes->encode("a<pad>b").ids, (Ids{0, 3, 2}));
  const auto models = testing::golden_folder() / "sentencepiece";
  const auto plain = Tokenizer::load(models / "unigram.model");
  const auto next = static_cast<int32_t>(plain->vocab_size());
  const testing::TemporaryFolder folder;
  std::filesystem::copy(models / "unigram.model", folder / "tokenizer.model");
  write_file(folder / "added_tokens.json", R"({"<|im_start|>": )" + std::to_string(next) + "}");
  const Ids ids = Tokenizer::load(folder.path())->encode("a<|im_start|>").ids;
  ASSERT_FALSE(ids.empty());
  EXPECT_EQ(ids.back(), next);
}

TEST(AddedTokenFiles, Faults) {
  const auto refused = [](std::initializer_list<std::string_view> parts, std::string_view decoder,
                          const std::string& added = "", const std::string& map = "") {
    TokenizerSettings settings{.special_tokens_map = map, .added_tokens = added};
    if (!decoder.empty()) {
      settings.config = R"({"added_tokens_decoder": )" + std::string(decoder) + "}";
    }
    expect_error(ErrorCode::corrupt_data, parts,
                 [&] { tokenizer_from_vocab(kVocab, settings, "vocab.txt"); });
  };
  refused({"vocab.txt", "'x' has id 9", "next free id is 7"}, R"({"9": {"content": "x"}})");
  refused({"'a' has id 7", "the vocabulary gives it 4"}, R"({"7": {"content": "a"}})");
  refused({"'x' has id 4", "next free id is 7"}, R"({"4": {"content": "x"}})");
  refused({"tokenizer_config.json: added_tokens_decoder", "found 7 and 8 for 'x'"},
          R"({"7": {"content": "x"}, "8": {"content": "x"}})");
  refused({"added_tokens_decoder", "needed ids", "'seven'"}, R"({"seven": {"content": "x"}})");
  refused({"added_tokens_decoder", "needed ids", "'-1'"}, R"({"-1": {"content": "x"}})");
  refused({"added_tokens_decoder.7", "\"content\""}, R"({"7": {}})");
  refused({"added_tokens_decoder.7", "an object"}, R"({"7": "x"})");
  refused({"added_tokens_decoder.7.lstrip", "true or false"},
          R"({"7": {"content": "x", "lstrip": 1}})");
  refused({"added_tokens_decoder", "an object", "a list"}, "[]");
  refused({"vocab.txt: added_tokens.json", "an object"}, "", "[]");
  refused({"added_tokens.json: x", "a whole number", "'7'"}, "", R"({"x": "7"})");
  refused({"'x' has id 8"}, "", R"({"x": 8})");
  refused({"special_tokens_map.json", "an object"}, "", "", "3");
}

TEST(Load, TakesAFolderOrAFileAndSaysWhatIsMissing) {
  const testing::TemporaryFolder folder;
  expect_error(ErrorCode::not_found, {"tokenizer.json, vocab.txt"},
               [&] { Tokenizer::load(folder.path()); });
  expect_error(ErrorCode::not_found, {"absent"}, [&] { Tokenizer::load(folder / "absent"); });
  write_file(folder / "vocab.txt", kVocab);
  EXPECT_EQ(Tokenizer::load(folder.path())->encode("A").ids, (std::vector<int32_t>{2, 4, 3}));
  write_file(folder / "tokenizer_config.json", R"({"do_lower_case": false})");
  EXPECT_EQ(Tokenizer::load(folder.path())->encode("A").ids, (std::vector<int32_t>{2, 6, 3}));
  write_file(folder / "added_tokens.json", R"({"word": 7})");
  EXPECT_EQ(Tokenizer::load(folder.path())->encode("word").ids, (std::vector<int32_t>{2, 7, 3}));
  write_file(folder / "tokenizer.json", kSmall.dump());
  EXPECT_EQ(Tokenizer::load(folder.path())->vocab_size(), 7);
  EXPECT_EQ(Tokenizer::load(folder / "tokenizer.json")->id_of("ab"), 5);
}

}  // namespace
}  // namespace heed
