// heed tokenizer train through the program.
#include <gtest/gtest.h>

#include "heed/base/file.h"
#include "heed/io/json.h"
#include "tests/e2e/program.h"
#include "tests/support.h"

namespace heed::testing {
namespace {

class TokenizerTrain : public ::testing::Test {
 protected:
  TokenizerTrain() { write_file(folder_ / "a.txt", "the cat sat on the mat\nthe cat\n"); }

  Result train(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"tokenizer", "train"});
    arguments.insert(arguments.end(), {"--save", (folder_ / "tokenizer.json").string()});
    return run_heed(arguments);
  }
  std::string text_file() const { return (folder_ / "a.txt").string(); }
  bool written() const { return std::filesystem::exists(folder_ / "tokenizer.json"); }

  TemporaryFolder folder_;
};

TEST_F(TokenizerTrain, ItsResultIsReadByTokens) {
  const Result got = train({text_file(), "--vocab", "270"});
  EXPECT_EQ(got.status, 0) << got.err;
  EXPECT_NE(got.out.find("pieces (bpe), learned from 31 bytes"), std::string::npos) << got.out;
  const Result tokens =
      run_heed({"tokens", "the cat", "--json", "--model", folder_.path().string()});
  EXPECT_EQ(tokens.status, 0) << tokens.err;
  EXPECT_EQ(parse_json(tokens.out, "stdout")["tokens"],
            (std::vector<std::string>{"the", "\u0120cat"}));
}

TEST_F(TokenizerTrain, CharactersKeepTheEndsOfLines) {
  const Result got = train({text_file(), "--kind", "characters", "--json"});
  EXPECT_EQ(got.status, 0) << got.err;
  const Json last = parse_json(got.out, "stdout");
  EXPECT_EQ(last["kind"], "characters");
  EXPECT_EQ(last["pieces"], 11);
  const Result decoded =
      run_heed({"tokens", "--decode", "0,3,2,10", "--model", folder_.path().string()});
  EXPECT_EQ(decoded.out, "\ncat\n");
}

TEST_F(TokenizerTrain, AByteOrderMarkIsNoPiece) {
  write_file(folder_ / "marked.txt",
             "\xEF\xBB\xBF"
             "abab");
  ASSERT_EQ(train({(folder_ / "marked.txt").string(), "--kind", "characters"}).status, 0);
  const Json vocab = read_json(folder_ / "tokenizer.json")["model"]["vocab"];
  EXPECT_EQ(vocab, Json::parse(R"({"a": 0, "b": 1})"));
}

TEST_F(TokenizerTrain, TakesFieldsAndStandardInput) {
  write_file(folder_ / "a.csv", "label,says\n1,aab\n2,ab\n");
  EXPECT_EQ(train({(folder_ / "a.csv").string(), "--field", "says", "--kind", "characters"}).status,
            0);
  const Json vocab = read_json(folder_ / "tokenizer.json")["model"]["vocab"];
  EXPECT_EQ(vocab, Json::parse(R"({"a": 0, "b": 1})"));
  Invocation how;
  how.input = "xyx";
  const Result piped = run_heed({"tokenizer", "train", "-", "--kind", "characters", "--special",
                                 "<s>,</s>", "--save", folder_.path().string()},
                                how);
  EXPECT_EQ(piped.status, 0) << piped.err;
  EXPECT_EQ(read_json(folder_ / "tokenizer.json")["model"]["vocab"],
            Json::parse(R"({"<s>": 0, "</s>": 1, "x": 2, "y": 3})"));
}

TEST_F(TokenizerTrain, SaysWhatIsWrongAndWritesNothing) {
  const auto refused = [&](std::vector<std::string> arguments, std::string_view part) {
    const Result got = train(std::move(arguments));
    EXPECT_EQ(got.status, 2) << got.err;
    EXPECT_NE(got.err.find(part), std::string::npos) << got.err;
    EXPECT_FALSE(written());
  };
  refused({text_file(), "--vocab", "99"}, "at least 257");
  refused({text_file(), "--kind", "words"}, "--kind");
  refused({(folder_ / "absent.txt").string()}, "absent.txt");
  refused({}, "FILE");
  const Result nowhere = run_heed({"tokenizer", "train", text_file(), "--save", ""});
  EXPECT_NE(nowhere.err.find("--save: needed a file or folder, found ''"), std::string::npos)
      << nowhere.err;
  refused({text_file(), "--special", "<s>", "--no-special"}, "contradict");
  refused({"--special", ",", text_file()}, "--special: needed values with commas between");
}

TEST_F(TokenizerTrain, AListTakesNoTextsBehindIt) {
  EXPECT_EQ(train({"--kind", "characters", "--special", "<s>,</s>", text_file()}).status, 0);
  const Json vocab = read_json(folder_ / "tokenizer.json")["model"]["vocab"];
  EXPECT_EQ(vocab["</s>"], 1);
  EXPECT_EQ(vocab.size(), 13u);
}

TEST_F(TokenizerTrain, AModelsTokenizerStays) {
  write_file(folder_ / "config.json", "{}");
  EXPECT_EQ(train({text_file(), "--vocab", "270"}).status, 0) << "there was none";
  const std::string before = read_file(folder_ / "tokenizer.json");
  const Result again = train({text_file(), "--kind", "characters"});
  EXPECT_EQ(again.status, 2);
  EXPECT_NE(again.err.find("belongs to no model"), std::string::npos) << again.err;
  EXPECT_EQ(read_file(folder_ / "tokenizer.json"), before);
}

}  // namespace
}  // namespace heed::testing
