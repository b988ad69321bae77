#include <gtest/gtest.h>

#include <sstream>

#include "heed/io/json.h"
#include "tests/e2e/program.h"
#include "tests/letter_models.h"

namespace heed::testing {
namespace {

class ChatProgram : public ::testing::Test {
 protected:
  ChatProgram() {
    write_file(model_.path() / "chat_template.jinja",
               "{% for m in messages %}{{ m['content'] }}u{% endfor %}");
  }

  Result chat(const std::string& input, std::vector<std::string> more = {}) const {
    std::vector<std::string> arguments = {
        "chat", "--model", model_.name(), "--max-new-tokens", "3", "--suppress-tokens", "22"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return run_heed(arguments, {.input = input});
  }

  static std::vector<Json> lines(const Result& result) {
    EXPECT_EQ(result.status, 0) << result.err;
    std::vector<Json> all;
    std::istringstream stream(result.out);
    for (std::string line; std::getline(stream, line);) all.push_back(parse_json(line, "output"));
    return all;
  }

  const LetterModel model_{"gpt2_2x5"};
  const TemporaryFolder folder_;
};

TEST_F(ChatProgram, AnswersEachLineOfAPipe) {
  const auto answers = lines(chat("ab\ncd\n", {"--json", "--system", "e"}));
  ASSERT_EQ(answers.size(), 2U);
  EXPECT_EQ(answers[0]["prompt"], "ab");
  EXPECT_EQ(answers[0]["prompt_ids"].size(), 5U);
  EXPECT_EQ(answers[0]["finish"], "length");
  EXPECT_EQ(answers[0]["reused_tokens"], 0);
  EXPECT_GE(answers[1]["reused_tokens"].get<int>(), 5);
  const Result plain = chat("ab\r\n\ncd", {"--system", "e"});
  EXPECT_EQ(plain.out, answers[0]["text"].get<std::string>() + "\n" +
                           answers[1]["text"].get<std::string>() + "\n");
}

TEST_F(ChatProgram, CommandsSaveLoadAndReset) {
  const std::string file = (folder_ / "kept.jsonl").string();
  const auto whole = lines(chat("ab\ncd\n", {"--json"}));
  lines(chat("ab\n/save " + file + "\n", {"--json"}));
  const auto again = lines(chat("/load " + file + "\ncd\n", {"--json"}));
  EXPECT_EQ(again.at(0)["ids"], whole[1]["ids"]);
  EXPECT_EQ(lines(chat("cd\n", {"--json", "--load", file})).at(0)["ids"], whole[1]["ids"]);
  const auto reset = lines(chat("ab\n/reset\n/help\nab\n/quit\ncd\n", {"--json"}));
  ASSERT_EQ(reset.size(), 2U);
  EXPECT_EQ(reset[1]["prompt_ids"], reset[0]["prompt_ids"]);
}

TEST_F(ChatProgram, FaultsEndAPipe) {
  const auto expect_fault = [](const Result& result, const std::string& part) {
    EXPECT_EQ(result.status, 2) << result.out;
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
  };
  expect_fault(chat("/sing\n"), "no command '/sing'");
  expect_fault(chat("/save\n"), "needs the name of a file");
  expect_fault(chat("ab\n/save /dev/full\n"), "/dev/full");
  expect_fault(chat("/load nowhere.jsonl\n"), "nowhere.jsonl");
  expect_fault(chat(std::string(30, 'a') + "\n"), "no room");
  expect_fault(chat("a\n", {"--template", "nowhere.jinja"}), "nowhere.jinja");
  const LetterModel without("gpt2_2x5");
  expect_fault(run_heed({"chat", "--model", without.name()}, {.input = "a\n"}), "no chat template");
}

}  // namespace
}  // namespace heed::testing
