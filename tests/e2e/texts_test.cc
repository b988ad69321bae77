#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <sstream>
#include <thread>

#include "heed/base/file.h"
#include "heed/io/json.h"
#include "tests/e2e/program.h"

// Where texts come from, by the example of `heed tokens`, which needs only a vocabulary.

namespace heed::testing {
namespace {

class Texts : public ::testing::Test {
 protected:
  Texts() { write_file(folder_ / "vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n-\n,\n"); }

  Result tokens(std::vector<std::string> arguments, const Invocation& how = {}) const {
    arguments.insert(arguments.begin(), {"tokens", "--model", folder_.path().string()});
    return run_heed(arguments, how);
  }

  /// The texts that the program read.
  std::vector<std::string> read(std::vector<std::string> arguments,
                                const Invocation& how = {}) const {
    arguments.push_back("--json");
    const Result result = tokens(arguments, how);
    EXPECT_EQ(result.status, 0) << result.err;
    std::vector<std::string> texts;
    std::istringstream lines(result.out);
    for (std::string line; std::getline(lines, line);) {
      texts.push_back(Json::parse(line).at("text").get<std::string>());
    }
    return texts;
  }

  std::string file(const std::string& name, const std::string& content) const {
    write_file(folder_ / name, content);
    return (folder_ / name).string();
  }

  void expect_fault(const std::vector<std::string>& arguments, const std::string& part) const {
    const Result result = tokens(arguments);
    EXPECT_EQ(result.status, 2) << result.out;
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
    EXPECT_EQ(result.err.find('\n'), result.err.size() - 1) << result.err;
    EXPECT_EQ(result.out, "");
  }

  TemporaryFolder folder_;
};

using List = std::vector<std::string>;

TEST_F(Texts, ArgumentsAreTakenAsTheyAre) {
  EXPECT_EQ(read({"a", "b"}), (List{"a", "b"}));
  EXPECT_EQ(read({"[MASK]"}), List{"[MASK]"});
  EXPECT_EQ(read({"[a,b]", "{}", "%%", ""}), (List{"[a,b]", "{}", "%%", ""}));
  EXPECT_EQ(read({"{}"}), List{"{}"});
  EXPECT_EQ(read({""}), List{""});
  EXPECT_EQ(read({"tokens", "doctor"}), (List{"tokens", "doctor"}));  // no commands, but texts
  EXPECT_EQ(read({"a, b"}), List{"a, b"});
}

TEST_F(Texts, DashesAfterTwoDashesAreTexts) {
  List arguments = {"tokens", "--model", folder_.path().string(), "--json", "--", "-a", "--json"};
  const Result result = run_heed(arguments);
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_NE(result.out.find("\"text\":\"-a\""), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("\"text\":\"--json\""), std::string::npos) << result.out;
}

TEST_F(Texts, StandardInputGivesOneTextALine) {
  EXPECT_EQ(read({"-"}, {.input = "a\n\nb b\r\nb"}), (List{"a", "", "b b", "b"}));
  EXPECT_EQ(read({"a", "-", "b"}, {.input = "b\n"}), (List{"a", "b", "b"}));
  EXPECT_EQ(read({"--file", "-"}, {.input = "a\nb\n"}), (List{"a", "b"}));
}

TEST_F(Texts, FilesOfLinesJsonLinesAndCsv) {
  EXPECT_EQ(read({"--file", file("a.txt",
                                 "\xEF\xBB\xBF"
                                 "a\nb\n")}),
            (List{"a", "b"}));
  const std::string jsonl =
      file("a.jsonl", "{\"text\": \"a\", \"n\": 1}\n\n{\"text\": \"b\\n\"}\n");
  EXPECT_EQ(read({"--file", jsonl}), (List{"a", "b\n"}));
  const std::string csv =
      file("a.csv", "id,text\r\n1,\"a, \"\"b\"\"\nand\"\r\n2,b\r\n\r\n3,\"\"\r\n");
  EXPECT_EQ(read({"--file", csv}), (List{"a, \"b\"\nand", "b", ""}));
  EXPECT_EQ(read({"--file", csv, "--field", "id"}), (List{"1", "2", "3"}));
  // of one column: an empty line is no row, "" is one with an empty text
  EXPECT_EQ(read({"--file", file("one.csv", "text\na\n\n\"\"\r\n\r\nb\n\"\"")}),
            (List{"a", "", "b", ""}));
}

TEST_F(Texts, EndingsAreTheSameInUpperCase) {
  EXPECT_EQ(read({"--file", file("A.CSV", "id,text\n1,a\n"), "--field", "id"}), List{"1"});
  EXPECT_EQ(read({"--file", file("A.Jsonl", "{\"text\": \"b\"}\n")}), List{"b"});
}

TEST_F(Texts, ARowOfACsvHasAsManyCellsAsItsHeader) {
  expect_fault({"--file", file("more.csv", "id,text\n1,a\n2,a, b\n")},
               "more.csv:3: needs 2 cells as the header has, found 3");
  expect_fault({"--file", file("less.csv", "text,id\na,1\n\nb\n")},
               "less.csv:4: needs 2 cells as the header has, found 1");
}

TEST_F(Texts, AFieldOfWhatHasNoneIsRefused) {
  const std::string needed = "--field: needs a --file with fields, .jsonl or .csv, found ";
  const std::string plain = file("a.txt", "a\nb\n");
  expect_fault({"--file", plain, "--field", "text"}, needed + "'" + plain + "'");
  expect_fault({"a", "--field", "text"}, needed + "none");
  const Invocation piped{.input = "a\n"};
  for (const List& start : {List{"classify", "-"}, List{"ner", "--file", "-"},
                            List{"summarize", "-"}, List{"embed", "-"}}) {
    List command = start;
    for (const char* more : {"--field", "text", "--model", "nowhere"}) command.emplace_back(more);
    const Result result = run_heed(command, piped);
    EXPECT_EQ(result.status, 2) << start[0];
    EXPECT_NE(result.err.find(needed), std::string::npos) << start[0] << ": " << result.err;
  }
  const Result whole =
      run_heed({"summarize", "--whole", "--file", plain, "--field", "text", "--model", "nowhere"});
  EXPECT_NE(whole.err.find("no --field"), std::string::npos) << whole.err;
  const Result learnt = run_heed({"tokenizer", "train", plain, "--field", "text", "--save",
                                  (folder_ / "tokenizer.json").string()});
  EXPECT_EQ(learnt.status, 2);
  EXPECT_NE(learnt.err.find("--field: needs a file with fields"), std::string::npos) << learnt.err;
}

TEST_F(Texts, FaultsNameThePlaceAndTheWayOut) {
  expect_fault({}, "no text");
  expect_fault({"-"}, "standard input: needed one text a line, found none");
  expect_fault({"--file", (folder_ / "none.txt").string()}, "none.txt");
  expect_fault({"--file", folder_.path().string()}, folder_.path().string());
  expect_fault({"--file", file("a.csv", "id,body\n1,a\n")}, "no column 'text'; it has id, body");
  expect_fault({"--file", file("d.csv", "text,text\na,b\n")}, "needed one column 'text', found 2");
  expect_fault({"--file", file("b.csv", "id,text\n1\n")}, "b.csv:2");
  expect_fault({"--file", file("c.csv", "text\n\"a\n")}, "c.csv:2: the quote");
  expect_fault({"--file", file("d.csv", "text\n\"a\"b\n")}, "d.csv:2");
  expect_fault({"--file", file("a.jsonl", "{\"text\": \"a\"}\n{\"text\"\n")}, "a.jsonl:2");
  expect_fault({"--file", file("b.jsonl", "{\"body\": \"a\"}\n")},
               "no string field 'text'; it has body");
  expect_fault({"--file", file("c.jsonl", "[1]\n")}, "a JSON object a line");
}

TEST_F(Texts, BytesThatAreNoUtf8AreToldOnceWithTheirPlace) {
  const auto told = [&](const Result& result, const std::string& place) {
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(result.err, "heed: warning: " + place +
                              ": text must be UTF-8, found the byte 0xE9; U+FFFD is read for such "
                              "bytes\n");
  };
  const std::string lines = file("latin.txt", "a\nb \xe9\n\xff\n");
  told(tokens({"--file", lines}), lines + ":2");
  const std::string rows = file("latin.csv", "text\n\"a\nb\n\xe9\"\n");
  told(tokens({"--file", rows}), rows + ":4");
  told(tokens({"-"}, {.input = "a\nb\n\xe9\n\xff\n"}), "standard input:3");
  told(tokens({"a", "b\n\xe9"}), "argument 2");
  const Result learnt =
      run_heed({"tokenizer", "train", lines, "--save", (folder_ / "tokenizer.json").string()});
  EXPECT_EQ(learnt.status, 2);
  EXPECT_EQ(learnt.err, "heed: " + lines + ":2: text must be UTF-8, found the byte 0xE9\n");
  const Result empty =
      run_heed({"summarize", "--whole", "--file", file("empty.txt", ""), "--model", "nowhere"});
  EXPECT_NE(empty.err.find("empty.txt: needed a text, found none"), std::string::npos) << empty.err;
}

TEST_F(Texts, TokensOfALineComeBeforeTheNextOne) {
  const Result result =
      run_shell("coproc $HEED tokens - --json --model " + folder_.path().string() +
                "; echo a >&${COPROC[1]}; read -t 20 line <&${COPROC[0]}; echo \"$line\"");
  EXPECT_NE(result.out.find("\"text\":\"a\""), std::string::npos) << result.out << result.err;
}

TEST_F(Texts, InterruptedWhileInputComesWithoutAnEndIs130) {
  Process program({"/bin/bash", "-c",
                   "exec " + std::string(HEED_PROGRAM) + " tokens - --quiet --model " +
                       folder_.path().string() + " > /dev/null < <(yes a)"},
                  {});
  ASSERT_TRUE(wait_until([&] { return program.handles(SIGINT); }));
  kill(program.id(), SIGINT);
  EXPECT_EQ(program.wait().status, 130);
}

TEST_F(Texts, InterruptedWhileReadingStandardInputIs130) {
  Process program({"/bin/bash", "-c",
                   "exec " + std::string(HEED_PROGRAM) + " tokens - --model " +
                       folder_.path().string() + " < <(sleep 5)"},
                  {});
  ASSERT_TRUE(wait_until([&] { return program.handles(SIGINT); }));
  // by then it waits for its input, most likely; if not, it sees the signal before
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  kill(program.id(), SIGINT);
  const Result result = program.wait();
  EXPECT_EQ(result.status, 130);
  EXPECT_EQ(result.err, "heed: interrupted\n");
}

}  // namespace
}  // namespace heed::testing
