#include <gtest/gtest.h>

#include "heed/base/file.h"
#include "heed/io/json.h"
#include "tests/e2e/program.h"
#include "tests/support.h"

namespace heed::testing {
namespace {

constexpr std::string_view kVocab = "[UNK]\n[CLS]\n[SEP]\na\n##b\n";

class Tokens : public ::testing::Test {
 protected:
  Tokens() { write_file(folder_ / "vocab.txt", kVocab); }

  Result tokens(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "tokens");
    arguments.insert(arguments.end(), {"--model", folder_.path().string()});
    return run_heed(arguments);
  }

  TemporaryFolder folder_;
};

TEST_F(Tokens, JsonHasOneObjectAText) {
  write_file(folder_ / "lines.txt",
             "\xc3\x84"
             "b\n\nx\xff");
  const Result got = tokens({"--json", "--file", (folder_ / "lines.txt").string()});
  EXPECT_EQ(got.status, 0) << got.err;
  const size_t end = got.out.find('\n');
  const Json first = parse_json(std::string_view(got.out).substr(0, end), "stdout");
  EXPECT_EQ(first["text"], "\u00c4b");
  EXPECT_EQ(first["ids"], (std::vector<int>{1, 3, 4, 2}));
  EXPECT_EQ(first["tokens"], (std::vector<std::string>{"[CLS]", "a", "##b", "[SEP]"}));
  EXPECT_EQ(first["offsets"], Json::parse("[[0,0],[0,1],[1,2],[0,0]]"));
  EXPECT_EQ(first["byte_offsets"], Json::parse("[[0,0],[0,2],[2,3],[0,0]]"));
  EXPECT_EQ(first["special"], Json::parse("[true,false,false,true]"));
  EXPECT_NE(got.out.find("\"text\":\"\",\"ids\":[1,2]"), std::string::npos) << got.out;
  EXPECT_NE(got.out.find("\"text\":\"x\uFFFD\""), std::string::npos) << got.out;
}

TEST_F(Tokens, TheTableNamesPiecesIdsAndPlaces) {
  const Result got = tokens({"ab", "--pair", "a"});
  EXPECT_EQ(got.status, 0) << got.err;
  EXPECT_EQ(got.out,
            "'ab'\n"
            "'a'\n"
            "  piece       id   characters        bytes  text\n"
            "  [CLS]        1\n"
            "  a            3          0-1          0-1     1\n"
            "  ##b          4          1-2          1-2     1\n"
            "  [SEP]        2\n"
            "  a            3          0-1          0-1     2\n"
            "  [SEP]        2\n");
}

TEST_F(Tokens, WidePiecesKeepTheColumns) {
  write_file(folder_ / "vocab.txt", "[UNK]\n[CLS]\n[SEP]\na\n\u6771\n\U0001F600\n");
  const Result got = tokens({"a \u6771 \U0001F600"});
  EXPECT_EQ(got.out,
            "'a \u6771 \U0001F600'\n"
            "  piece       id   characters        bytes\n"
            "  [CLS]        1\n"
            "  a            3          0-1          0-1\n"
            "  \u6771           4          2-3          2-5\n"
            "  \U0001F600           5          4-5         6-10\n"
            "  [SEP]        2\n");
}

TEST_F(Tokens, DecodesIds) {
  EXPECT_EQ(tokens({"--decode", "1,3,4,0,2"}).out, "ab\n");
  EXPECT_EQ(tokens({"--decode", "3", "4", "--json"}).out, "{\"ids\":[3,4],\"text\":\"ab\"}\n");
}

TEST_F(Tokens, UsersFaults) {
  EXPECT_EQ(tokens({"--pair", "a"}).status, 2);
  EXPECT_NE(tokens({"--pair", "a"}).err.find("two by two"), std::string::npos);
  EXPECT_NE(tokens({"--decode", "9"}).err.find("[0, 5)"), std::string::npos);
  EXPECT_EQ(tokens({"--decode", "9"}).status, 2);
  EXPECT_EQ(tokens({}).status, 2);
}

}  // namespace
}  // namespace heed::testing
