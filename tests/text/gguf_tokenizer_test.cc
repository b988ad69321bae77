#include "heed/text/gguf_tokenizer.h"

#include <gtest/gtest.h>

#include "heed/io/gguf_write.h"
#include "heed/io/json.h"
#include "heed/text/tokenizer.h"
#include "tests/expect_error.h"
#include "tests/gguf_model.h"

namespace heed {
namespace {

using testing::TemporaryFolder;

/// A byte-level BPE of a few pieces.
class GgufTokenizer : public ::testing::Test {
 protected:
  GgufWriter start(const std::string& kind = "gpt2") const {
    GgufWriter writer;
    writer.add_text("tokenizer.ggml.model", kind);
    writer.add_texts("tokenizer.ggml.tokens", tokens_);
    writer.add_i32s("tokenizer.ggml.token_type", types_);
    return writer;
  }
  GgufWriter complete(const std::string& pre) const {
    GgufWriter writer = start();
    writer.add_text("tokenizer.ggml.pre", pre);
    writer.add_texts("tokenizer.ggml.merges", std::vector<std::string>{"a b", "1 2"});
    writer.add_u32("tokenizer.ggml.bos_token_id", 0);
    return writer;
  }
  std::filesystem::path written(const GgufWriter& writer) const {
    writer.write(folder_ / "t.gguf");
    return folder_ / "t.gguf";
  }
  void expect_failure(ErrorCode code, const GgufWriter& writer,
                      std::initializer_list<std::string_view> parts) const {
    expect_error(code, parts, [&] { Tokenizer::load(written(writer)); });
  }

  TemporaryFolder folder_;
  std::vector<std::string> tokens_{"<s>", "a", "b", "ab", "1", "2", "12", "<user>"};
  std::vector<int32_t> types_{3, 1, 1, 1, 1, 1, 1, 4};
};

TEST_F(GgufTokenizer, WordsAsThePreTokenizerCutsThem) {
  const auto ids = [&](const char* pre, bool special) {
    return Tokenizer::load(written(complete(pre)))
        ->encode("ab12<user>", {.add_special = special})
        .ids;
  };
  EXPECT_EQ(ids("gpt-2", true), (std::vector<int32_t>{3, 6, 7}));
  EXPECT_EQ(ids("smollm", true), (std::vector<int32_t>{3, 4, 5, 7}));
  EXPECT_EQ(ids("llama-bpe", true), (std::vector<int32_t>{0, 3, 6, 7}));
  EXPECT_EQ(ids("llama3", false), (std::vector<int32_t>{3, 6, 7}));
  EXPECT_EQ(ids("qwen2", true), (std::vector<int32_t>{3, 4, 5, 7}));
  EXPECT_EQ(ids("default", true), (std::vector<int32_t>{3, 6, 7}));
  EXPECT_EQ(ids("deepseek-coder", true), (std::vector<int32_t>{3, 4, 5, 7}));
  EXPECT_EQ(ids("gpt-4o", true), (std::vector<int32_t>{3, 6, 7}));
}

TEST_F(GgufTokenizer, WhetherTextsBeginWithATokenIsTheFilesToSay) {
  GgufWriter writer = complete("smollm");
  writer.add_boolean("tokenizer.ggml.add_bos_token", true);
  const auto tokenizer = Tokenizer::load(written(writer));
  const Encoding encoding = tokenizer->encode("ab");
  EXPECT_EQ(encoding.ids, (std::vector<int32_t>{0, 3}));
  EXPECT_TRUE(encoding.special[0]);
  EXPECT_EQ(tokenizer->decode(encoding.ids), "ab");
}

TEST_F(GgufTokenizer, WhatIsMissingOrUnknown) {
  expect_failure(ErrorCode::corrupt_data, GgufWriter(), {"tokenizer.ggml.model", "absent"});
  expect_failure(ErrorCode::unsupported, start("t5"), {"'t5'", "gpt2 and llama"});
  expect_failure(ErrorCode::unsupported, complete("new-one"),
                 {"tokenizer.ggml.pre", "'new-one'", "default", "smollm"});
  expect_failure(ErrorCode::corrupt_data, start(), {"tokenizer.ggml.merges", "absent"});
  GgufWriter bare = start();
  bare.add_text("tokenizer.ggml.pre", "gpt-2");
  expect_failure(ErrorCode::corrupt_data, bare, {"tokenizer.ggml.merges", "absent"});
  bare.add_texts("tokenizer.ggml.merges", std::vector<std::string>{"ab"});
  expect_failure(ErrorCode::corrupt_data, bare, {"'ab'", "two pieces"});
  types_.pop_back();
  expect_failure(ErrorCode::corrupt_data, complete("gpt-2"), {"8 tokens but 7 types"});
  types_.push_back(1);
  tokens_[7] = "a";
  expect_failure(ErrorCode::corrupt_data, complete("gpt-2"), {"'a' twice"});
  tokens_[7] = "\xff";
  expect_failure(ErrorCode::corrupt_data, complete("gpt-2"), {"UTF-8"});
  tokens_[7] = "c";
  GgufWriter far = complete("gpt-2");
  far.add_boolean("tokenizer.ggml.add_eos_token", true);
  far.add_u32("tokenizer.ggml.eos_token_id", 8);
  expect_failure(ErrorCode::corrupt_data, far, {"eos_token_id", "below 8"});
  expect_failure(ErrorCode::corrupt_data, start("llama"), {"tokenizer.ggml.scores"});
}

TEST_F(GgufTokenizer, ScoresBecomeAnOrderOfMerges) {
  tokens_ = {"<unk>", "a", "b", "c", "bc", "ab", "abc"};
  types_ = {2, 1, 1, 1, 1, 1, 1};
  GgufWriter writer = start("llama");
  writer.add_f32s("tokenizer.ggml.scores", std::vector<float>{0, 0, 0, 0, -1, -2, -3});
  writer.write(folder_ / "t.gguf");
  const Json json = parse_json(gguf_tokenizer_json(Gguf::open(folder_ / "t.gguf")), "json");
  EXPECT_EQ(json["model"]["merges"].dump(), R"([["b","c"],["a","b"],["a","bc"],["ab","c"]])");
  EXPECT_EQ(json["model"]["byte_fallback"], true);
  EXPECT_EQ(json["normalizer"]["normalizers"][0]["type"], "Prepend");
}

TEST(GgufPreName, WhateverSaysNothingAboutWords) {
  EXPECT_EQ(gguf_pre_name(R"({"type": "ByteLevel", "add_prefix_space": false})"), "gpt-2");
  EXPECT_EQ(gguf_pre_name(R"({"type": "Sequence", "pretokenizers": [
                {"type": "Digits", "individual_digits": true},
                {"type": "ByteLevel", "use_regex": true, "add_prefix_space": false,
                 "trim_offsets": false}]})"),
            "smollm");
  EXPECT_EQ(gguf_pre_name(R"({"type": "Whitespace"})"), "");
  EXPECT_EQ(gguf_pre_name("null"), "");
}

TEST(SmolLm2Tokenizer, AsTransformersReadsTheSameFile) {
  const auto model = testing::gguf_model();
  HEED_NEED_GGUF(model);
  const auto tokenizer = Tokenizer::load(model);
  const Json golden = read_json(testing::golden_folder() / "gguf/smollm2.json");
  for (const Json& text : golden["texts"]) {
    const Encoding encoding = tokenizer->encode(text["text"].get<std::string>());
    EXPECT_EQ(Json(encoding.ids), text["ids"]) << text["text"];
  }
}

}  // namespace
}  // namespace heed
