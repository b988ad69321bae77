#include <gtest/gtest.h>

#include "tests/e2e/letter_runs.h"
#include "tests/golden.h"

namespace heed::testing {
namespace {

TEST(Generate, WritesWhatTransformersWritesFromIds) {
  const LetterModel model("gpt2_3x8");
  const TemporaryFolder folder;
  for (const Json& one : Golden("gpt2_3x8/expected.safetensors").metadata("generated")) {
    const Json early = one["early_stopping"];
    write_file(folder / "ids.json", Json::array({one["prompt"]}).dump());
    std::string end;
    for (const Json& id : one["end"]) end += (end.empty() ? "" : ",") + id.dump();
    std::vector<std::string> arguments = {"generate",
                                          "--json",
                                          "--ids",
                                          (folder / "ids.json").string(),
                                          "--eos-token-id",
                                          end,
                                          "--max-new-tokens",
                                          one["max_new_tokens"].dump(),
                                          "--beams",
                                          one["beams"].dump()};
    if (one["beams"] > 1) {
      arguments.insert(arguments.end(),
                       {"--length-penalty", one["length_penalty"].dump(), "--early-stopping",
                        early.is_string() ? "never" : (early.get<bool>() ? "on" : "off")});
    }
    const auto lines = json_lines(run_on(model, arguments));
    ASSERT_EQ(lines.size(), 1u);
    EXPECT_EQ(lines[0]["ids"], one["ids"]) << one;
    EXPECT_EQ(lines[0]["timing"]["new_tokens"], one["ids"].size());
  }
}

TEST(Generate, SavesWhereItLookedAsItWrote) {
  const LetterModel model("gpt2_2x5");
  const TemporaryFolder folder;
  const std::string file = (folder / "look.json").string();
  const auto lines = json_lines(
      run_on(model, {"generate", "ab c", "--max-new-tokens", "5", "--json", "--look", file}));
  ASSERT_EQ(lines.size(), 1u);
  const Json look = parse_json(read_file(file), "look");
  const auto written = static_cast<int64_t>(lines[0]["ids"].size());
  EXPECT_EQ(look["rows"], Json({3, 3 + written}));
  ASSERT_EQ(look["heads"].size(), 4u);
  for (const Json& head : look["heads"]) {
    ASSERT_EQ(std::ssize(head["top8_weights"]), written);
    for (int64_t row = 0; row < written; ++row) {
      const auto at = static_cast<size_t>(row);
      double sum = 0;
      for (const Json& weight : head["top8_weights"][at]) sum += weight.get<double>();
      EXPECT_LE(sum, 1 + 1e-5);
      EXPECT_GT(sum, row + 4 <= 8 ? 1 - 1e-5 : 0.5);
      for (const Json& key : head["top8_keys"][at]) EXPECT_LE(key.get<int64_t>(), 3 + row);
    }
  }
  for (const char* ending : {"html", "svg", "npz"}) {
    const std::string picture = (folder / "look.").string() + ending;
    EXPECT_EQ(
        run_on(model, {"generate", "ab c", "--max-new-tokens", "5", "--look", picture}).status, 0);
    EXPECT_GT(std::filesystem::file_size(picture), 100u);
  }
  expect_fault(run_on(model, {"generate", "ab", "c", "--look", file}), "--look saves one text");
  expect_fault(run_on(model, {"generate", "ab", "--look", "look.txt"}), ".txt");
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

TEST(Generate, SamplesAndLogProbabilitiesAreInJson) {
  const LetterModel model("gpt2_2x5");
  const auto lines = json_lines(
      run_on(model, {"generate", "ab", "cd", "--json", "--samples", "3", "--top-p", "0.95",
                     "--max-new-tokens", "6", "--seed", "5", "--logprobs", "2", "--batch", "1"}));
  ASSERT_EQ(lines.size(), 6u);
  EXPECT_EQ(lines[4]["prompt"], "cd");
  EXPECT_EQ(lines[4]["sample"], 1);
  EXPECT_EQ(lines[4]["logprobs"].size(), lines[4]["ids"].size());
  EXPECT_EQ(lines[4]["top_logprobs"][0].size(), 2u);
  EXPECT_TRUE(lines[4]["top_logprobs"][0][1].contains("token"));
  const auto alone = json_lines(run_on(model, {"generate", "cd", "--json", "--top-p", "0.95",
                                               "--max-new-tokens", "6", "--seed", "5"}));
  EXPECT_EQ(alone[0]["ids"], lines[3]["ids"]) << "the first sample of a batch is the text alone";
}

TEST(Generate, EndsBeforeAStopString) {
  const LetterModel model("gpt2_2x5");
  const auto whole = json_lines(run_on(
      model, {"generate", "ab", "--json", "--max-new-tokens", "9", "--suppress-tokens", "22"}));
  const std::string text = whole[0]["text"];
  ASSERT_EQ(text.size(), 9u);
  const std::string stop = text.substr(4, 2);
  const std::vector<std::string> choices = {
      "generate", "ab",    "--max-new-tokens",  "9", "--stop", stop,
      "--stop",   "never", "--suppress-tokens", "22"};
  std::vector<std::string> as_json = choices;
  as_json.emplace_back("--json");
  const auto cut = json_lines(run_on(model, as_json));
  EXPECT_EQ(cut[0]["text"], text.substr(0, text.find(stop)));
  EXPECT_EQ(cut[0]["finish"], "stop");
  EXPECT_EQ(run_on(model, choices).out, cut[0]["text"].get<std::string>() + "\n");
}

TEST(Generate, TakesWhatTheCheckpointSaysUnlessToldOtherwise) {
  const LetterModel model("gpt2_2x5");
  write_file(
      model.path() / "generation_config.json",
      R"({"do_sample": true, "temperature": 1.7, "max_new_tokens": 4, "guidance_scale": 2})");
  const std::vector<std::string> plain = {"generate", "ab", "--json", "--seed", "3"};
  const Result by_file = run_on(model, plain);
  EXPECT_NE(by_file.err.find("guidance_scale is nothing that Heed does"), std::string::npos);
  const Json drawn = json_lines(by_file)[0];
  EXPECT_LE(drawn["ids"].size(), 4u);
  std::vector<std::string> greedy = plain;
  greedy.insert(greedy.end(),
                {"--temperature", "0", "--max-new-tokens", "7", "--eos-token-id", "21"});
  EXPECT_EQ(json_lines(run_on(model, greedy))[0]["ids"].size(), 7u);
  write_file(model.path() / "generation_config.json", R"({"top_k": "many", "do_sample": true})");
  expect_fault(run_on(model, plain), "top_k must be an integer");
  write_file(model.path() / "generation_config.json",
             R"({"exponential_decay_length_penalty": [3], "renormalize_logits": true})");
  expect_fault(run_on(model, plain), "a factor above 0");
}

TEST(Generate, DrawsBeamsWhereTheFlagsOrTheCheckpointSaySo) {
  const LetterModel decoder("gpt2_2x5"), translator("transformer_2x6");
  for (const LetterModel* model : {&decoder, &translator}) {
    for (const char* command : {"generate", "translate", "summarize"}) {
      if (model == &decoder && command != std::string("generate")) continue;
      const auto file = model->path() / "generation_config.json";
      std::filesystem::remove(file);
      const auto ids_of = [&](const std::vector<std::string>& more) {
        std::vector<std::string> all = {command, "ab", "--json", "--max-new-tokens", "9"};
        all.insert(all.end(), more.begin(), more.end());
        const Result result = run_on(*model, all);
        EXPECT_EQ(result.err, "") << command;
        return json_lines(result)[0]["ids"];
      };
      const std::vector<std::string> flags = {"--beams", "3",      "--temperature",
                                              "1.7",     "--seed", "3"};
      const Json drawn = ids_of(flags), plain = ids_of({"--beams", "3"});
      EXPECT_EQ(drawn, ids_of(flags));
      EXPECT_NE(drawn, plain) << command;
      EXPECT_NE(drawn, ids_of({"--beams", "3", "--temperature", "1.7", "--seed", "4"}));
      EXPECT_NE(drawn, ids_of({"--temperature", "1.7", "--seed", "3"}));
      EXPECT_EQ(plain, ids_of({"--beams", "3", "--temperature", "1e-6"}));
      write_file(file, R"({"do_sample": true, "num_beams": 3, "temperature": 1.7, "top_k": 0})");
      EXPECT_EQ(ids_of({"--seed", "3"}), drawn) << command;
      EXPECT_EQ(ids_of({"--seed", "3", "--temperature", "1.7"}), drawn) << command;
      EXPECT_EQ(ids_of({"--temperature", "0"}), plain) << command;
    }
  }
}

TEST(Translate, TellsOfTextsThatTheCheckpointWantsMoreOf) {
  const LetterModel model("transformer_2x6");
  const Json alone = json_lines(run_on(model, {"translate", "ab", "--json"}))[0];
  write_file(model.path() / "generation_config.json", R"({"num_return_sequences": 3})");
  for (const char* command : {"translate", "summarize"}) {
    const Result result = run_on(model, {command, "ab", "--json", "--max-new-tokens", "100"});
    EXPECT_NE(result.err.find("num_return_sequences is 3"), std::string::npos) << result.err;
    EXPECT_EQ(json_lines(result)[0]["ids"], alone["ids"]);
  }
  EXPECT_EQ(json_lines(run_on(model, {"generate", "ab", "--json", "--beams", "4"})).size(), 3u);
}

TEST(TextPlaces, AreToldOfTextsWithoutTokens) {
  const LetterModel decoder("gpt2_2x5");  // whose texts have no special tokens
  const TemporaryFolder folder;
  const std::string lines = (folder / "t.txt").string(), objects = (folder / "t.jsonl").string();
  write_file(lines, "ab\n\ncd\n");
  write_file(objects, "{\"text\": \"ab\"}\n\n{\"text\": \"\"}\n");
  for (const char* command : {"forward", "look"}) {
    expect_fault(run_on(decoder, {command, "--file", lines}), "t.txt: line 2: ");
    expect_fault(run_on(decoder, {command, "--file", objects}), "t.jsonl: line 3: ");
    expect_fault(run_on(decoder, {command, "-"}, {.input = "ab\n\n"}), "standard input: line 2: ");
  }
  expect_fault(run_on(decoder, {"forward", "ab", "XY"}), "argument 2: needed a text of at least");
  expect_fault(run_on(decoder, {"look", "ab", "XY"}), "found none in the text 'XY'");
  const LetterModel translator("transformer_2x6");
  Json config = read_json(translator.path() / "config.json");
  config.erase("eos_token_id");  // else it stands behind the empty source
  write_file(translator.path() / "config.json", config.dump());
  expect_fault(run_on(translator, {"look", "ab", "XY", "--attention", "encoder"}),
               "argument 2 must have at least one token");
}

TEST(Generate, RulesComeFromTheirOptions) {
  const LetterModel model("gpt2_2x5");
  const auto text_of = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments = {"generate", "ab", "--json", "--max-new-tokens", "8"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return json_lines(run_on(model, arguments))[0]["text"].get<std::string>();
  };
  const std::string plain = text_of({"--suppress-tokens", "22"});
  const std::string first(1, plain[0]);
  EXPECT_EQ(text_of({"--suppress-tokens", "22", "--bad-words", first}).find(first),
            std::string::npos);
  EXPECT_EQ(text_of({"--logit-bias", "3=1000"}), "cccccccc");
  const std::string varied = text_of({"--suppress-tokens", "22", "--no-repeat-ngram-size", "1"});
  for (const char letter : varied) EXPECT_EQ(std::ranges::count(varied, letter), 1) << varied;
  EXPECT_EQ(text_of({"--logit-bias", "22=-9", "--exponential-decay-length-penalty", "2,99"}),
            text_of({"--logit-bias", "22=-9"}).substr(0, 3))
      << "the end comes once its score is raised";
  const auto score_of = [&](const std::string& option) {
    return json_lines(run_on(model, {"generate", "ab", "--json", "--beams", "2", "--logit-bias",
                                     "3=1000", "--max-new-tokens", "2", option}))[0]["score"]
        .get<double>();
  };
  EXPECT_GT(score_of("--quiet"), 900);
  EXPECT_NEAR(score_of("--renormalize-logits"), 0, 1e-4);
}

TEST(Score, TellsLogProbabilitiesAndPerplexity) {
  const LetterModel model("gpt2_2x5");
  const auto lines = json_lines(run_on(model, {"score", "ab c", "a", "--json"}));
  ASSERT_EQ(lines.size(), 2u);
  ASSERT_EQ(lines[0]["logprobs"].size(), 4u);
  EXPECT_TRUE(lines[0]["logprobs"][0].is_null());
  double sum = 0;
  for (size_t i = 1; i < 4; ++i) sum += lines[0]["logprobs"][i].get<double>();
  EXPECT_NEAR(lines[0]["perplexity"].get<double>(), std::exp(-sum / 3), 1e-3);
  EXPECT_TRUE(lines[1]["perplexity"].is_null());
  const Result table = run_on(model, {"score", "ab c", "de f"});
  EXPECT_NE(table.out.find("(all of them)"), std::string::npos) << table.out;
  const TemporaryFolder folder;
  write_file(folder / "long.txt", "abc\ndef abcdef abcdefabcdefabcdef\nabc");
  const auto whole =
      json_lines(run_on(model, {"score", "--whole", "--file", (folder / "long.txt").string(),
                                "--context", "8", "--stride", "3", "--json"}));
  ASSERT_EQ(whole.size(), 1u);
  const Result context = run_on(model, {"score", "a", "--context", "1"});
  expect_fault(context, "context must be at least 2");
  EXPECT_EQ(context.out, "") << "no heading without a line below it";
  expect_fault(run_on(model, {"score", "a", "--whole"}), "--whole takes one text");
}

TEST(Score, TellsHowLikelyATargetIsMadeOfASource) {
  const LetterModel model("transformer_2x6");
  const auto lines = json_lines(run_on(model, {"score", "--source", "ab c", "--target", "de",
                                               "--source", "a", "--target", "bcd", "--json"}));
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[1]["target"], "bcd");
  EXPECT_EQ(lines[1]["logprobs"].size(), 4u) << "the end counts";
  const auto written = json_lines(run_on(model, {"generate", "ab c", "--json", "--logprobs", "0"}));
  ASSERT_EQ(written.size(), 1u);
  const TemporaryFolder folder;
  write_file(folder / "source.json", Json::array({written[0]["prompt_ids"]}).dump());
  write_file(folder / "target.json", Json::array({written[0]["ids"]}).dump());
  const auto again =
      json_lines(run_on(model, {"score", "--source-ids", (folder / "source.json").string(),
                                "--target-ids", (folder / "target.json").string(), "--json"}));
  for (size_t i = 0; i < written[0]["ids"].size(); ++i) {
    EXPECT_NEAR(again[0]["logprobs"][i].get<double>(), written[0]["logprobs"][i].get<double>(),
                1e-5);
  }
  expect_fault(run_on(model, {"score", "--source", "a"}), "a target for each source");
  const std::string long_text(24, 'a');  // and the end; nothing is printed of the first pair
  const Result late = run_on(
      model, {"score", "--source", "a", "--target", "b", "--source", long_text, "--target", "b"});
  expect_fault(late, "score: source 2 of 2 has 25 tokens, but the model reads at most 24");
  EXPECT_EQ(late.out, "");
  expect_fault(run_on(model, {"score", "--source", "a", "--target", long_text}),
               "score: target 1 of 1 has 25 tokens");
  expect_fault(run_on(model, {"score", "a", "--source", "a"}), "no other texts");
}

TEST(Generate, FaultsAreOneLine) {
  const LetterModel model("gpt2_2x5");
  const LetterModel translator("transformer_2x6");
  const std::string bare = (golden_folder() / "gpt2_2x5").string();
  expect_fault(run_on(model, {"generate", std::string(24, 'a')}), "24 tokens leaves no room");
  expect_fault(run_on(model, {"generate", "a", "--temperature", "-1"}), "temperature");
  expect_fault(run_on(model, {"generate", "a", "--top-p", "2"}), "top-p");
  expect_fault(run_on(model, {"generate", "a", "--top-p", "0.5", "--temperature", "0"}),
               "nothing to choose from");
  expect_fault(run_on(model, {"generate", "a", "--logit-bias", "3"}), "ID=NUMBER");
  expect_fault(run_on(model, {"generate", "a", "--logit-bias", "9999=1"}),
               "logit-bias (sequence_bias) has the token 9999");
  for (const char* option : {"--forced-eos-token-id", "--eos-token-id", "--suppress-tokens",
                             "--begin-suppress-tokens", "--forced-bos-token-id"}) {
    for (const LetterModel* one : {&model, &translator}) {
      const Result late = run_on(*one, {"generate", "a", option, "23", "--max-new-tokens", "9"});
      expect_fault(late, std::string(option).substr(2) +
                             " has the token 23, but the model has 23 tokens, 0 to 22");
      EXPECT_EQ(late.out, "") << option << ": nothing is written before";
    }
  }
  expect_fault(run_on(model, {"generate", "a", "--suppress-tokens", ","}),
               "--suppress-tokens: needed values with commas between, found ','");
  expect_fault(run_on(model, {"generate", "a", "--suppress-tokens", "1,b"}),
               "--suppress-tokens: needed a number, found 'b'");
  expect_fault(run_on(model, {"generate", "a", "--logprobs", "2"}), "--logprobs requires --json");
  expect_fault(run_on(model, {"generate", "a", "--bad-words", ""}),
               "--bad-words: needed a word, found ''");
  expect_fault(run_on(model, {"generate", "a", "--beams", "2", "--length-penalty", "nan"}),
               "length-penalty must be a finite number but is nan");
  const TemporaryFolder folder;
  write_file(folder / "none.json", "[]");
  expect_fault(run_on(model, {"generate", "--ids", (folder / "none.json").string()}),
               "there is no row");
  for (const std::vector<std::string>& alone : std::vector<std::vector<std::string>>{
           {"--length-penalty", "2"}, {"--early-stopping", "on"}, {"--renormalize-logits"}}) {
    std::vector<std::string> arguments = {"generate", "a"};
    arguments.insert(arguments.end(), alone.begin(), alone.end());
    expect_fault(run_on(model, arguments), alone[0] + ": needed more than one beam");
  }
  for (const char* wrong : {"1.5,2", "-1,2", "3,0", "3", "3,1,2"}) {
    expect_fault(run_on(model, {"generate", "a", "--exponential-decay-length-penalty", wrong}),
                 "exponential-decay-length-penalty");
  }
  expect_fault(run_on(model, {"generate", "a", "--samples", "2"}), "one text, always");
  expect_fault(run_on(model, {"generate", "a", "--stop", ""}), "at least one character");
  expect_fault(
      run_on(model, {"generate", "a", "--beams", "2", "--temperature", "1", "--samples", "3"}),
      "at most 2 samples");
  expect_fault(run_on(model, {"generate", "a", "--max-new-tokens", "0"}), "max-new-tokens");
  expect_fault(run_on(translator, {"generate", "a", "--context-end", "slide"}),
               "needs a causal language model");
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
               "heed: translate: text 1 has 25 tokens, but the model reads at most 24");
}

TEST(Translate, NamesTheTextThatIsTooLongAfterThoseBeforeIt) {
  const LetterModel model("transformer_2x6");
  std::string input = "ab\nc d\n\ne\n" + std::string(30, 'a') + "\nb\n";
  const std::vector<std::string> call = {"translate", "-", "--max-new-tokens", "3", "--batch"};
  for (const char* batch : {"8", "2", "1"}) {
    std::vector<std::string> with = call;
    with.emplace_back(batch);
    const Result result = run_on(model, with, {.input = input});
    expect_fault(result, "text 5 has 31 tokens, but the model reads at most 24");
    EXPECT_EQ(std::ranges::count(result.out, '\n'), 4) << batch << " " << result.out;
  }
  const TemporaryFolder folder;
  write_file(folder / "ids.json", Json::array({Json::array({3}), Json::array()}).dump());
  expect_fault(run_on(model, {"generate", "--ids", (folder / "ids.json").string()}),
               "source 2 of 2 must have at least one token");
}

TEST(Translate, ATargetPrefixIsWhereTheOutputGoesOn) {
  const LetterModel model("transformer_2x6");
  const auto write = [&](const std::string& prefix, const std::string& most) {
    return json_lines(run_on(
        model, {"translate", "ab c", "--json", "--beams", "1", "--align", "--suppress-tokens",
                "0,1,2", "--target-prefix", prefix, "--max-new-tokens", most}))[0];
  };
  const Json whole = write("", "9");
  EXPECT_FALSE(whole.contains("prefix_ids"));
  const auto text = whole["output"].get<std::string>();
  ASSERT_EQ(text.size(), 9u);
  Json rest = write(text.substr(0, 4), "5");
  EXPECT_EQ(rest["output"], text) << "what greedy itself took makes no difference";
  EXPECT_EQ(rest["alignment"], whole["alignment"]);
  Json ids = rest["prefix_ids"];
  EXPECT_EQ(ids.size(), 4u);
  ids.insert(ids.end(), rest["ids"].begin(), rest["ids"].end());
  EXPECT_EQ(ids, whole["ids"]);
  EXPECT_EQ(rest["timing"]["new_tokens"], 5);
  for (const char* command : {"translate", "summarize"}) {
    const Json beams = json_lines(run_on(model, {command, "ab c", "--json", "--beams", "3",
                                                 "--target-prefix", "zz q", "--align"}))[0];
    EXPECT_TRUE(beams["output"].get<std::string>().starts_with(" q")) << "z is no letter of it";
    EXPECT_EQ(beams["prefix_ids"].size(), 2u);
  }
  EXPECT_EQ(run_on(model, {"translate", "ab c", "--target-prefix", "bcb", "--stop", "b",
                           "--suppress-tokens", "0,1,2", "--logit-bias", "5=99"})
                .out,
            "bcb\n")
      << "stops are of what is written";
  expect_fault(run_on(model, {"translate", "a", "--target-prefix", std::string(23, 'a')}),
               "leaves no room");
}

TEST(Translate, TakesLanguagesByName) {
  const LetterModel model("mbart");
  write_file(model.path() / "tokenizer.json", language_tokenizer({"A", "</s>", "en_XX"}).dump());
  const auto write = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"translate", "ab", "--json", "--max-new-tokens", "4"});
    return json_lines(run_on(model, more))[0];
  };
  const Json plain = write({});
  EXPECT_EQ(write({"--src-lang", "en_XX", "--tgt-lang", "en_XX"})["score"], plain["score"]);
  EXPECT_NE(write({"--src-lang", "de_DE"})["score"], plain["score"]);
  EXPECT_NE(write({"--tgt-lang", "de_DE"})["score"], plain["score"]);
  const auto scored = json_lines(
      run_on(model, {"score", "--source", "a", "--target", "b", "--tgt-lang", "de_DE", "--json"}));
  EXPECT_EQ(scored[0]["ids"].back(), 4);
  expect_fault(run_on(model, {"translate", "ab", "--src-lang", "German"}), "en_XX, de_DE");
  expect_fault(run_on(model, {"score", "ab", "--src-lang", "de_DE"}), "leave them out");
  EXPECT_EQ(write({"--tgt-lang", "de_DE", "--forced-bos-token-id", "7"})["ids"][0], 7);
  write_file(model.path() / "tokenizer.json", language_tokenizer({"en_XX", "A", "</s>"}).dump());
  EXPECT_EQ(write({"--tgt-lang", "de_DE"})["ids"][0], 4);
  expect_fault(
      run_on(model, {"translate", "ab", "--tgt-lang", "de_DE", "--forced-bos-token-id", "7"}),
      "--tgt-lang de_DE and --forced-bos-token-id 7; leave one out");
  const LetterModel without("transformer_2x6");
  expect_fault(run_on(without, {"translate", "ab", "--tgt-lang", "de_DE"}), "puts a language");
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
            Json({"look", "embed", "tokens", "forward", "generate", "score"}));
  const LetterModel translator("transformer_3x7");
  const Json pair = json_lines(run_heed({"inspect", translator.name(), "--json"}))[0];
  EXPECT_EQ(pair["commands"],
            Json({"tokens", "forward", "generate", "score", "translate", "summarize", "look"}));
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
