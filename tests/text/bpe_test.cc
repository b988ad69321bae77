// Byte-pair encoding on small vocabularies of our own, and every way a file of it can be wrong.
#include <gtest/gtest.h>

#include <functional>

#include "heed/io/json.h"
#include "heed/text/byte_level.h"
#include "heed/text/pipeline.h"
#include "heed/text/text_stream.h"
#include "heed/text/unicode.h"
#include "tests/expect_error.h"

namespace heed {
namespace {

const Json kSmall = Json::parse(R"json({
  "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "c": 2, "ab": 3, "bc": 4, "abc": 5, "cc": 6},
            "merges": ["b c", "a b", "a bc", "c c"]}
})json");

using Edit = std::function<void(Json&)>;

std::shared_ptr<const Tokenizer> make(const Edit& edit = {}) {
  Json json = kSmall;
  if (edit) edit(json);
  return tokenizer_from_json(json.dump(), "file");
}

using Ids = std::vector<int32_t>;

TEST(Bpe, TheEarliestMergeComesFirstAndOfEqualOnesTheLeftmost) {
  const auto tokenizer = make();
  const auto ids = [&](std::string_view text) { return tokenizer->encode(text).ids; };
  EXPECT_EQ(ids("abc"), (Ids{5}));  // b c, then a bc
  EXPECT_EQ(ids("abb"), (Ids{3, 1}));
  EXPECT_EQ(ids("ccc"), (Ids{6, 2}));
  EXPECT_EQ(ids("cccc"), (Ids{6, 6}));
  EXPECT_EQ(ids("bccabc"), (Ids{4, 2, 5}));
  EXPECT_EQ(ids(""), (Ids{}));
}

TEST(Bpe, MergesOfPairsReadLikeMergesOfLines) {
  const auto tokenizer = make([](Json& json) {
    json["model"]["merges"] = Json::parse(R"([["b", "c"], ["a", "b"], ["a", "bc"], ["c", "c"]])");
  });
  EXPECT_EQ(tokenizer->encode("abcccab").ids, make()->encode("abcccab").ids);
}

TEST(Bpe, AWordThatIsAPieceNeedsMergesThatMakeIt) {
  const Edit unreachable = [](Json& json) { json["model"]["merges"] = {"a b"}; };
  EXPECT_EQ(make(unreachable)->encode("abc").ids, (Ids{3, 2}));
  EXPECT_EQ(make([&](Json& json) {
              unreachable(json);
              json["model"]["ignore_merges"] = true;
            })
                ->encode("abc")
                .ids,
            (Ids{5}));
}

TEST(Bpe, UnknownCharactersAreLeftOutOrOneTokenEachOrFused) {
  const auto with = [](const char* unknown, bool fuse) {
    return make([&](Json& json) {
      if (unknown != nullptr) json["model"]["unk_token"] = unknown;
      json["model"]["fuse_unk"] = fuse;
    });
  };
  const Encoding dropped = with(nullptr, false)->encode("axc");
  EXPECT_EQ(dropped.ids, (Ids{0, 2}));
  EXPECT_EQ(dropped.offsets[1], (Span{2, 3}));
  EXPECT_EQ(with("cc", false)->encode("axyb").ids, (Ids{0, 6, 6, 1}));
  const Encoding fused = with("cc", true)->encode("axyb");
  EXPECT_EQ(fused.ids, (Ids{0, 6, 1}));
  EXPECT_EQ(fused.offsets[1], (Span{1, 3}));
}

TEST(Bpe, BytesStandForCharactersWithoutAPiece) {
  const auto tokenizer = make([](Json& json) {
    json["model"]["byte_fallback"] = true;
    json["model"]["vocab"]["<0xC3>"] = 7;
    json["model"]["vocab"]["<0xA9>"] = 8;
  });
  const Encoding got = tokenizer->encode("a\u00e9\u00e8");  // the second has a byte that is missing
  EXPECT_EQ(got.ids, (Ids{0, 7, 8}));
  EXPECT_EQ(got.byte_offsets[2], (Span{1, 3}));
}

TEST(Bpe, PrefixesOfContinuingPiecesAndSuffixesOfWords) {
  const auto prefixed = make([](Json& json) {
    json["model"] = {{"type", "BPE"},
                     {"vocab", {{"a", 0}, {"##a", 1}, {"##b", 2}, {"##ab", 3}, {"aab", 4}}},
                     {"merges", {"##a ##b", "a ##ab"}},
                     {"continuing_subword_prefix", "##"}};
  });
  EXPECT_EQ(prefixed->encode("aab").ids, (Ids{4}));
  EXPECT_EQ(prefixed->encode("aabb").ids, (Ids{4, 2}));
  const auto suffixed = make([](Json& json) {
    json["model"] = {{"type", "BPE"},
                     {"vocab", {{"a", 0}, {"a</w>", 1}, {"aa</w>", 2}}},
                     {"merges", {"a a</w>"}},
                     {"end_of_word_suffix", "</w>"}};
  });
  EXPECT_EQ(suffixed->encode("aaa").ids, (Ids{0, 2}));
  EXPECT_EQ(suffixed->encode("a").ids, (Ids{1}));
}

TEST(Bpe, AMegabyteInOneWordTakesNoQuadraticTime) {
  std::string text;
  for (int i = 0; i < 1 << 18; ++i) text += "abcc";
  const Encoding got = make()->encode(text);
  EXPECT_EQ(got.ids.size(), size_t{1} << 19);
  EXPECT_EQ(got.ids[0], 5);
  EXPECT_EQ(got.ids[1], 2);
}

TEST(Bpe, RefusesWhatCannotBe) {
  const auto refused = [](ErrorCode code, std::initializer_list<std::string_view> parts,
                          const Edit& edit) { expect_error(code, parts, [&] { make(edit); }); };
  refused(ErrorCode::corrupt_data, {"file: model", "merge 1", "'x'", "vocabulary of 7"},
          [](Json& json) { json["model"]["merges"][1] = "a x"; });
  refused(ErrorCode::corrupt_data, {"merge 4", "'ca'"},
          [](Json& json) { json["model"]["merges"].push_back("c a"); });
  refused(ErrorCode::corrupt_data, {"model.merges[0]", "two pieces", "'a'"},
          [](Json& json) { json["model"]["merges"][0] = "a"; });
  refused(ErrorCode::corrupt_data, {"model.merges[0]", "two pieces", "list of 3"}, [](Json& json) {
    json["model"]["merges"][0] = {"a", "b", "c"};
  });
  refused(ErrorCode::corrupt_data, {"the unknown token", "'?'"},
          [](Json& json) { json["model"]["unk_token"] = "?"; });
  refused(ErrorCode::corrupt_data, {"\"merges\""},
          [](Json& json) { json["model"].erase("merges"); });
  refused(ErrorCode::unsupported, {"'Trigram'", "BPE, Unigram, WordLevel and WordPiece"},
          [](Json& json) { json["model"]["type"] = "Trigram"; });
}

// Every byte has a piece, and nothing merges but a space with an a.
Json byte_level() {
  Json vocab = Json::object();
  for (int byte = 0; byte < 256; ++byte) {
    const char32_t c = char_of_byte(static_cast<uint8_t>(byte));
    vocab[to_utf8({&c, 1})] = byte;
  }
  vocab["\u0120a"] = 256;
  return {{"model", {{"type", "BPE"}, {"vocab", vocab}, {"merges", {"\u0120 a"}}}},
          {"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", true}}},
          {"post_processor",
           {{"type", "ByteLevel"}, {"trim_offsets", true}, {"add_prefix_space", false}}},
          {"decoder", {{"type", "ByteLevel"}}}};
}

TEST(ByteLevel, OffsetsAreThoseOfWholeCharactersWithoutTheSpace) {
  const auto tokenizer = tokenizer_from_json(byte_level().dump(), "file");
  const Encoding got = tokenizer->encode("x a\u00e9");
  EXPECT_EQ(got.ids, (Ids{32, 'x', 256, 0xC3, 0xA9}));
  EXPECT_EQ(got.offsets, (std::vector<Span>{{1, 1}, {0, 1}, {2, 3}, {3, 4}, {3, 4}}));
  EXPECT_EQ(got.byte_offsets[4], (Span{3, 5}));
  EXPECT_EQ(got.words, (std::vector<int32_t>{0, 0, 1, 1, 1}));
  EXPECT_EQ(tokenizer->decode(got.ids), " x a\u00e9");
}

TEST(ByteLevel, EveryByteHasACharacterOfItsOwn) {
  for (int byte = 0; byte < 256; ++byte) {
    EXPECT_EQ(byte_of_char(char_of_byte(static_cast<uint8_t>(byte))), byte);
  }
  EXPECT_EQ(byte_of_char(U'\u4e2d'), -1);
  EXPECT_EQ(byte_of_char(U' '), -1);
}

TEST(ByteLevel, PreTokenizersCanFollowOneAnother) {
  Json json = byte_level();
  json["pre_tokenizer"] = Json::parse(R"({"type": "Sequence", "pretokenizers": [
      {"type": "Digits", "individual_digits": true},
      {"type": "Split", "pattern": {"Regex": "(?i:'s)|[^\\s\\d]+|\\d| "}, "behavior": "Isolated"},
      {"type": "ByteLevel", "add_prefix_space": false, "use_regex": false}]})");
  const auto tokenizer = tokenizer_from_json(json.dump(), "file");
  const Encoding got = tokenizer->encode("a12'S a");
  EXPECT_EQ(got.words, (std::vector<int32_t>{0, 1, 2, 3, 3, 4, 5}));
}

constexpr std::string_view kGptVocab = R"({"a": 0, "b": 1, "ab": 2, "\u0120": 3, "\u0120ab": 4,
    "<|endoftext|>": 5, "<s>": 6, "</s>": 7, "<mask>": 8})";
constexpr std::string_view kGptMerges = "#version: 0.2\na b\n\u0120 ab\n";

std::shared_ptr<const Tokenizer> from_merges(std::string_view vocab, std::string_view merges,
                                             std::string_view config = "") {
  return tokenizer_from_merges({.vocab = std::string(vocab),
                                .merges = std::string(merges),
                                .settings = {.config = std::string(config)}},
                               "folder");
}

TEST(VocabJson, IsGpt2OrRobertaAsItsConfigSays) {
  const auto gpt2 = from_merges(kGptVocab, kGptMerges);
  EXPECT_EQ(gpt2->encode("ab ab<|endoftext|>").ids, (Ids{2, 4, 5}));
  EXPECT_EQ(gpt2->decode(Ids{4, 5, 2}), " abab");
  EXPECT_EQ(gpt2->pad_id(), std::nullopt);
  const auto roberta = from_merges(kGptVocab, kGptMerges,
                                   R"({"tokenizer_class": "RobertaTokenizerFast",
                                       "add_prefix_space": true, "mask_token": {"content": "<mask>"}})");
  EXPECT_EQ(roberta->encode("ab  <mask>").ids, (Ids{6, 4, 8, 7}));  // the mask takes the spaces
  EXPECT_EQ(roberta->encode_pair("ab", "ab").ids, (Ids{6, 4, 7, 7, 4, 7}));
}

TEST(VocabJson, RefusesWhatCannotBe) {
  const auto refused = [](ErrorCode code, std::initializer_list<std::string_view> parts,
                          std::string_view vocab, std::string_view merges,
                          std::string_view config = "") {
    expect_error(code, parts, [&] { from_merges(vocab, merges, config); });
  };
  refused(ErrorCode::corrupt_data, {"folder/merges.txt", "line 2", "two pieces", "'ab'"}, kGptVocab,
          "a b\nab\n");
  refused(ErrorCode::corrupt_data, {"folder", "merge 0", "'ba'"}, kGptVocab, "b a\n");
  refused(ErrorCode::corrupt_data, {"folder/vocab.json", "an object"}, "[1]", kGptMerges);
  refused(ErrorCode::corrupt_data, {"folder/vocab.json", "'b'", "without holes"},
          R"({"a": 0, "b": 2})", "");
  refused(ErrorCode::unsupported, {"tokenizer_class", "'LlamaTokenizer'", "GPT2Tokenizer"},
          kGptVocab, kGptMerges, R"({"tokenizer_class": "LlamaTokenizer"})");
  refused(ErrorCode::corrupt_data, {"lacks", "'<s>'"}, R"({"a": 0})", "",
          R"({"tokenizer_class": "RobertaTokenizer"})");
}

TEST(TextStream, NeverGivesHalfACharacter) {
  const auto tokenizer = tokenizer_from_json(byte_level().dump(), "file");
  TextStream stream(tokenizer);
  EXPECT_EQ(stream.add(0xE4), "");
  EXPECT_EQ(stream.add(0xBD), "");
  EXPECT_EQ(stream.add(0xA0), "\u4f60");
  EXPECT_EQ(stream.add(0xE4), "");
  EXPECT_EQ(stream.add('x'), "\ufffdx");  // it turned out to be none
  EXPECT_EQ(stream.add(0xFF), "\ufffd");  // can begin no character
  EXPECT_EQ(stream.add(0xF0), "");
  EXPECT_EQ(stream.finish(), "\ufffd");
  EXPECT_EQ(stream.finish(), "");
}

TEST(UnfinishedUtf8, CountsTheBytesOfACharacterThatMoreCouldComplete) {
  EXPECT_EQ(unfinished_utf8(""), 0U);
  EXPECT_EQ(unfinished_utf8("a"), 0U);
  EXPECT_EQ(unfinished_utf8("a\xc3"), 1U);
  EXPECT_EQ(unfinished_utf8("a\xe2\x82"), 2U);
  EXPECT_EQ(unfinished_utf8("\xf0\x9f\x98"), 3U);
  EXPECT_EQ(unfinished_utf8("\xf0\x9f\x98\x80"), 0U);
  EXPECT_EQ(unfinished_utf8("\xed\xa0"), 0U);  // a surrogate's
  EXPECT_EQ(unfinished_utf8("\xc0"), 0U);
  EXPECT_EQ(unfinished_utf8("\xff"), 0U);
  EXPECT_EQ(unfinished_utf8("\x80\x80"), 0U);
}

}  // namespace
}  // namespace heed
