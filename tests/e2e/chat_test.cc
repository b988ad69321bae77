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

TEST_F(ChatProgram, LookTellsWhatEachPieceWasWrittenFrom) {
  const auto plain = lines(chat("ab\ncd\n", {"--json"}));
  const auto looked = lines(chat("/look\nab\n/look 1.0\ncd\n/look off\nef\n", {"--json"}));
  ASSERT_EQ(looked.size(), 3U);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(looked[i]["ids"], plain[i]["ids"]);
    std::string text;
    for (const Json& piece : looked[i]["look"]) {
      text += piece["text"].get<std::string>();
      EXPECT_LE(piece["words"].size(), 3U);
      for (const Json& word : piece["words"]) {
        EXPECT_GE(word["token"], 0);
        EXPECT_LE(word["weight"], 1);
        EXPECT_FALSE(word["word"].get<std::string>().empty());
      }
    }
    EXPECT_EQ(text, looked[i]["text"]);
  }
  EXPECT_FALSE(looked[2].contains("look"));
  const Result shown = chat("/look\nab\n");
  EXPECT_NE(shown.out.find(" %"), std::string::npos) << shown.out;
  for (const char* bad : {"/look 2\n", "/look 1.2\n", "/look here\n"}) {
    const Result refused = chat(bad);
    EXPECT_EQ(refused.status, 2);
    EXPECT_NE(refused.err.find("layers from 0 to 1"), std::string::npos) << refused.err;
  }
  EXPECT_NE(chat("/look\nab\n", {"--beams", "2"}).err.find("beams"), std::string::npos);
}

TEST_F(ChatProgram, LookIsSavedAfterAnAnswer) {
  const std::string file = (folder_ / "look.json").string();
  const auto answers = lines(chat("ab\n/look save " + file + "\n", {"--json"}));
  const Json saved = parse_json(read_file(file), "look.json");
  const auto prompt = answers[0]["prompt_ids"].size(), written = answers[0]["ids"].size();
  EXPECT_EQ(saved["ids"].size(), prompt + written);
  EXPECT_EQ(saved["rows"], Json({prompt - 1, prompt + written - 1}));
  EXPECT_EQ(saved["heads"].size(), 4U);
  EXPECT_EQ(saved["heads"][3]["top8_keys"].size(), written);
  for (const char* ending : {"html", "png", "npz"}) {
    const std::string other = (folder_ / "look.").string() + ending;
    EXPECT_EQ(chat("ab\n/look save " + other + "\n").status, 0);
    EXPECT_GT(std::filesystem::file_size(other), 100U);
  }
  EXPECT_NE(chat("/look save " + file + "\n").err.find("written"), std::string::npos);
  EXPECT_NE(chat("/look save\n").err.find("name of a file"), std::string::npos);
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
