#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "heed/io/json.h"
#include "tests/e2e/program.h"
#include "tests/golden.h"
#include "tests/letter_models.h"

namespace heed::testing {
namespace {

Result run_on(const LetterModel& model, std::vector<std::string> arguments,
              const Invocation& how = {}) {
  arguments.insert(arguments.end(), {"--model", model.name()});
  return run_heed(arguments, how);
}

std::vector<Json> json_lines(const Result& result) {
  EXPECT_EQ(result.status, 0) << result.err;
  std::vector<Json> lines;
  std::istringstream stream(result.out);
  for (std::string line; std::getline(stream, line);) lines.push_back(parse_json(line, "output"));
  return lines;
}

void expect_fault(const Result& result, const std::string& part) {
  EXPECT_EQ(result.status, 2) << result.out;
  EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
  EXPECT_EQ(std::ranges::count(result.err, '\n'), 1) << result.err;
}

TEST(Generate, WritesWhatTransformersWritesFromIds) {
  const LetterModel model("gpt2_3x8");
  const TemporaryFolder folder;
  for (const Json& one : Golden("gpt2_3x8/expected.safetensors").metadata("generated")) {
    const Json early = one["early_stopping"];
    write_file(folder / "ids.json", Json::array({one["prompt"]}).dump());
    std::string end;
    for (const Json& id : one["end"]) end += (end.empty() ? "" : ",") + id.dump();
    const auto lines = json_lines(run_on(
        model,
        {"generate", "--json", "--ids", (folder / "ids.json").string(), "--eos-token-id", end,
         "--max-new-tokens", one["max_new_tokens"].dump(), "--beams", one["beams"].dump(),
         "--length-penalty", one["length_penalty"].dump(), "--early-stopping",
         early.is_string() ? "never" : (early.get<bool>() ? "on" : "off")}));
    ASSERT_EQ(lines.size(), 1u);
    EXPECT_EQ(lines[0]["ids"], one["ids"]) << one;
    EXPECT_EQ(lines[0]["timing"]["new_tokens"], one["ids"].size());
  }
}

TEST(Generate, PrintsTheTextThatJsonHolds) {
  const LetterModel model("gpt2_2x5");
  const std::vector<std::string> choices = {"generate", "ab c",          "de",  "--max-new-tokens",
                                            "9",        "--temperature", "1.2", "--top-k",
                                            "20",       "--seed",        "3"};
  std::vector<std::string> as_json = choices;
  as_json.emplace_back("--json");
  const auto lines = json_lines(run_on(model, as_json));
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["prompt"], "ab c");
  EXPECT_EQ(lines[0]["prompt_ids"].size(), 4u);
  EXPECT_FALSE(lines[0]["text"].get<std::string>().empty());
  const Result plain = run_on(model, choices);
  EXPECT_EQ(plain.out, lines[0]["text"].get<std::string>() + "\n" +
                           lines[1]["text"].get<std::string>() + "\n");
  for (const char* threads : {"1", "2"}) {
    std::vector<std::string> again = choices;
    again.insert(again.end(), {"--threads", threads});
    EXPECT_EQ(run_on(model, again).out, plain.out);
  }
}

TEST(Generate, StopsWhereItsPositionsEndAndReadsFiles) {
  const LetterModel model("gpt2_2x5");  // 24 positions
  const TemporaryFolder folder;
  write_file(folder / "prompts.txt", "abcabcabcabcabcabcab\n\n");
  const auto lines =
      json_lines(run_on(model, {"generate", "--json", "--file", (folder / "prompts.txt").string(),
                                "--eos-token-id", "21"}));
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["ids"].size(), 4u);
  EXPECT_EQ(lines[0]["finish"], "length");
  EXPECT_EQ(lines[1]["prompt_ids"], Json::array({22}))
      << "an empty prompt begins with the begin token";
}

TEST(Generate, FaultsAreOneLine) {
  const LetterModel model("gpt2_2x5");
  const LetterModel translator("transformer_2x6");
  const std::string bare = (golden_folder() / "gpt2_2x5").string();
  expect_fault(run_on(model, {"generate", std::string(24, 'a')}), "24 tokens leaves no room");
  expect_fault(run_on(model, {"generate", "a", "--temperature", "-1"}), "temperature");
  expect_fault(run_on(model, {"generate", "a", "--top-p", "2"}), "top-p");
  expect_fault(run_on(model, {"generate", "a", "--beams", "2", "--temperature", "1"}),
               "no temperature");
  expect_fault(run_on(model, {"generate", "a", "--max-new-tokens", "0"}), "max-new-tokens");
  expect_fault(run_on(translator, {"generate", "a"}), "Heed has it as an encoder-decoder");
  expect_fault(run_heed({"generate", "a", "--model", bare}), "no tokenizer files");
  expect_fault(run_on(model, {"translate", "a"}), "Heed has it as a causal language model");
}

TEST(Translate, GivesALineForEachTextAndItsScore) {
  const LetterModel model("transformer_2x6");
  const auto lines = json_lines(run_on(model, {"translate", "ab c", "de", "--json"}));
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[1]["text"], "de");
  EXPECT_LT(lines[0]["score"].get<double>(), 0);
  const Result plain = run_on(model, {"translate", "ab c", "de"});
  EXPECT_EQ(plain.out, lines[0]["output"].get<std::string>() + "\n" +
                           lines[1]["output"].get<std::string>() + "\n");
  const auto greedy = json_lines(run_on(model, {"translate", "ab c", "--json", "--beams", "1"}));
  EXPECT_EQ(greedy.size(), 1u);
  expect_fault(run_on(model, {"translate", std::string(24, 'a')}),
               "25 tokens is longer than the model's 24 positions");
}

TEST(Translate, NeedsToKnowHowATranslationBegins) {
  const LetterModel model("transformer_2x6");
  Json config = read_json(model.path() / "config.json");
  config.erase("bos_token_id");
  write_file(model.path() / "config.json", config.dump());
  expect_fault(run_on(model, {"translate", "a"}), "decoder_start_token_id");
}

TEST(Inspect, TellsWhatDecodersRun) {
  const LetterModel model("gpt2_2x5");
  EXPECT_EQ(json_lines(run_heed({"inspect", model.name(), "--json"}))[0]["commands"],
            Json({"look", "embed", "tokens", "forward", "generate"}));
  const LetterModel translator("transformer_3x7");
  const Json pair = json_lines(run_heed({"inspect", translator.name(), "--json"}))[0];
  EXPECT_EQ(pair["commands"], Json({"tokens", "translate"}));
  EXPECT_EQ(pair["sizes"]["decoder_layers"], 3);
  EXPECT_EQ(pair["sizes"]["target_vocab"], 19);
  const Result text = run_heed({"inspect", translator.name()});
  EXPECT_NE(text.out.find("1 and 3 layers"), std::string::npos) << text.out;
}

TEST(Look, ShowsACausalModel) {
  const LetterModel model("gpt2_2x5");
  const Json look = json_lines(run_on(model, {"look", "ab cd ef", "--json"}))[0];
  const Json& first_row = look["heads"][0]["weights"][0];
  EXPECT_EQ(first_row[0], 1.0) << "the first token sees itself alone";
}

}  // namespace
}  // namespace heed::testing
