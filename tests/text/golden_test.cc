// Every part of a tokenizer against what tools/make_tokenizer_goldens.py wrote.
#include <gtest/gtest.h>

#include "heed/base/file.h"
#include "heed/io/json.h"
#include "heed/text/pipeline.h"
#include "heed/text/tokenizer.h"
#include "tests/support.h"

namespace heed {
namespace {

std::string from_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2) {
    bytes += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return bytes;
}

std::vector<std::string> texts_of(const Json& test) {
  if (!test.contains("hex")) return test["texts"].get<std::vector<std::string>>();
  std::vector<std::string> texts;
  for (const std::string hex : test["hex"]) texts.push_back(from_hex(hex));
  return texts;
}

std::vector<Span> spans_of(const Json& list) {
  std::vector<Span> spans;
  for (const Json& span : list) spans.push_back({span[0].get<int64_t>(), span[1].get<int64_t>()});
  return spans;
}

void expect_case(const Tokenizer& tokenizer, const Json& test) {
  EncodeOptions options{.add_special = test.value("add_special", true)};
  if (test.contains("max_tokens")) options.max_tokens = test["max_tokens"].get<int64_t>();
  const auto texts = texts_of(test);
  const Encoding got = texts.size() == 2 ? tokenizer.encode_pair(texts[0], texts[1], options)
                                         : tokenizer.encode(texts[0], options);
  EXPECT_EQ(got.ids, test["ids"].get<std::vector<int32_t>>());
  EXPECT_EQ(got.tokens, test["tokens"].get<std::vector<std::string>>());
  EXPECT_EQ(got.type_ids, test["type_ids"].get<std::vector<int32_t>>());
  EXPECT_EQ(got.words, test["words"].get<std::vector<int32_t>>());
  EXPECT_TRUE(got.offsets == spans_of(test["offsets"]));
  const auto special = test["special"].get<std::vector<int>>();
  EXPECT_EQ(got.special, std::vector<bool>(special.begin(), special.end()));
  EXPECT_EQ(tokenizer.decode(got.ids), test["decoded"].get<std::string>());
  EXPECT_EQ(tokenizer.decode(got.ids, false), test["decoded_all"].get<std::string>());
}

void expect_golden(const std::string& file) {
  const Json golden = read_json(testing::golden_folder() / file);
  Json small;
  for (const Json& entry : golden["entries"]) {
    const std::string name = entry["name"];
    std::shared_ptr<const Tokenizer> tokenizer;
    if (entry["settings"].is_null()) {
      if (testing::model_folder().empty()) continue;  // MiniLM.EncodesAsTheLibrary reports it
      tokenizer = Tokenizer::load(testing::model_folder());
    } else {
      Json settings = entry["settings"];
      if (name == "small") {
        small = settings;
      } else {  // the small one with some parts replaced, and never another vocabulary
        Json whole = small;
        Json model = small["model"];
        if (settings.contains("model")) model.update(settings["model"]);
        whole.update(settings);
        whole["model"] = model;
        settings = whole;
      }
      tokenizer = tokenizer_from_json(settings.dump(), name);
    }
    for (const Json& test : entry["cases"]) {
      SCOPED_TRACE(name + ": " + test.dump().substr(0, 200));
      expect_case(*tokenizer, test);
    }
  }
}

TEST(Golden, EveryWordPieceTokenizerEncodesAndDecodesAsTheLibrary) {
  expect_golden("tokenizers.json");
}

TEST(Golden, EveryBpeTokenizerEncodesAndDecodesAsTheLibrary) {
  expect_golden("tokenizers_bpe.json");
}

TEST(Golden, EveryUnigramTokenizerEncodesAndDecodesAsTheLibrary) {
  expect_golden("tokenizers_unigram.json");
}

TEST(Golden, EveryKindOfMetaspaceEncodesAndDecodesAsTheLibrary) {
  expect_golden("tokenizers_llama.json");
}

TEST(MiniLM, EncodesAsTheLibrary) {
  const auto model = testing::model_folder();
  HEED_NEED_MODEL(model);
  const auto tokenizer = Tokenizer::load(model);
  EXPECT_EQ(tokenizer->kind(), "WordPiece");
  EXPECT_EQ(tokenizer->vocab_size(), 30522);
  EXPECT_EQ(tokenizer->pad_id(), 0);
  EXPECT_EQ(tokenizer->id_of("bank"), 2924);
  EXPECT_EQ(tokenizer->token_of(2924), "bank");
}

TEST(MiniLM, VocabTxtGivesTheSameAsTokenizerJson) {
  const auto model = testing::model_folder();
  HEED_NEED_MODEL(model);
  const auto json = Tokenizer::load(model);
  const auto vocab = Tokenizer::load(model / "vocab.txt");
  for (const std::string_view text : {"Größe, [MASK] 你好!", "", "don't [CLS]x[SEP]"}) {
    EXPECT_EQ(json->encode(text).ids, vocab->encode(text).ids);
    EXPECT_EQ(json->encode_pair(text, "b").type_ids, vocab->encode_pair(text, "b").type_ids);
  }
}

}  // namespace
}  // namespace heed
