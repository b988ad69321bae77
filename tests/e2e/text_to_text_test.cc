// summarize, and what translate and look tell of two sequences, on small random encoder-decoders.

#include <gtest/gtest.h>

#include "tests/e2e/letter_runs.h"
#include "tests/golden.h"

namespace heed::testing {
namespace {

const std::string kLong = "aa bb cd\n\nee ff gh\n\nii jj kl\n\nmm nn op";

std::string at(const Json& text, const Json& link, const std::string& prefix) {
  const auto start = link[prefix + "start"].get<size_t>();
  return text.get<std::string>().substr(start, link[prefix + "end"].get<size_t>() - start);
}

/// Every link's words stand where it says.
void expect_places(const Json& line) {
  ASSERT_FALSE(line["alignment"].empty()) << line;
  for (const Json& link : line["alignment"]) {
    EXPECT_EQ(at(line["text"], link, "source_"), link["source_word"]) << link;
    EXPECT_EQ(at(line["text"], link, "source_byte_"), link["source_word"]) << link;
    EXPECT_EQ(at(line["output"], link, ""), link["word"]) << link << line["output"];
    EXPECT_GE(link["weight"].get<double>(), 0);
  }
}

TEST(Summarize, GivesTheFieldsOfATranslationAndItsParts) {
  const LetterModel model("transformer_2x6");
  const auto lines = json_lines(run_on(
      model, {"summarize", "ab c", kLong, "--json", "--beams", "2", "--max-new-tokens", "4"}));
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["text"], "ab c");
  EXPECT_FALSE(lines[0].contains("parts"));
  const Json translated = json_lines(
      run_on(model, {"translate", "ab c", "--json", "--beams", "2", "--max-new-tokens", "4"}))[0];
  for (const char* field : {"output", "score", "ids", "finish"}) {
    EXPECT_EQ(lines[0][field], translated[field]) << field;
  }
  ASSERT_EQ(lines[1]["parts"].size(), 2u);
  EXPECT_EQ(lines[1]["passes"], 1);
  EXPECT_EQ(lines[1]["parts"][1]["end"], kLong.size());
  EXPECT_EQ(at(kLong, lines[1]["parts"][0], ""), "aa bb cd\n\nee ff gh");
}

TEST(Summarize, ReadsDocumentsAndLinesAsTheyCome) {
  const LetterModel model("transformer_2x6");
  const std::vector<std::string> call = {"summarize", "-", "--json", "--max-new-tokens", "3"};
  EXPECT_EQ(json_lines(run_on(model, call, {.input = kLong})).size(), 7u);
  std::vector<std::string> whole = call;
  whole.emplace_back("--whole");
  const auto one = json_lines(run_on(model, whole, {.input = kLong}));
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0]["text"], kLong);
  const TemporaryFolder folder;
  write_file(folder / "texts.jsonl", "{\"body\": \"ab\"}\n{\"body\": \"cd e\"}\n");
  const auto file =
      json_lines(run_on(model, {"summarize", "--file", (folder / "texts.jsonl").string(), "--field",
                                "body", "--json"}));
  ASSERT_EQ(file.size(), 2u);
  EXPECT_EQ(file[1]["text"], "cd e");
  EXPECT_EQ(
      run_on(model, {"summarize", "--file", (folder / "texts.jsonl").string(), "--field", "body"})
          .out,
      file[0]["output"].get<std::string>() + "\n" + file[1]["output"].get<std::string>() + "\n");
}

TEST(Summarize, PrefixAndTaskAreTheConfigurations) {
  const LetterModel model("transformer_2x6");
  Json config = read_json(model.path() / "config.json");
  config["task_specific_params"]["summarization"] = {{"prefix", "ab "}, {"num_beams", 1}};
  write_file(model.path() / "config.json", config.dump());
  const Json own = json_lines(run_on(model, {"summarize", "c d", "--json"}))[0];
  const Json by_hand =
      json_lines(run_on(model, {"summarize", "ab c d", "--json", "--prefix", ""}))[0];
  const Json plain = json_lines(
      run_on(model, {"translate", "c d", "--json", "--prefix", "ab ", "--beams", "1"}))[0];
  EXPECT_EQ(own["text"], "c d");
  EXPECT_EQ(own["ids"], by_hand["ids"]);
  EXPECT_EQ(own["ids"], plain["ids"]);
  EXPECT_EQ(own["timing"]["prompt_tokens"], 7);
}

TEST(Summarize, FaultsAreOneLine) {
  const LetterModel model("transformer_2x6");
  const LetterModel decoder("gpt2_2x5");
  expect_fault(run_on(model, {"summarize", "a", "--window", "1"}), "leaves no room");
  expect_fault(run_on(model, {"summarize", "a", "--window", "99"}), "24 positions");
  expect_fault(run_on(model, {"summarize", "a", "--overlap", "12"}), "half of what a window");
  expect_fault(run_on(model, {"summarize", "a", "--whole"}), "summarize: --whole takes one text");
  expect_fault(run_on(model, {"summarize"}), "no text");
  expect_fault(run_on(model, {"summarize", "a", "--combine", "--align"}), "--combine");
  expect_fault(run_on(decoder, {"summarize", "a"}), "causal language model");
}

TEST(Align, LinksStandWhereTheirWordsDo) {
  for (const char* name : {"transformer_2x6", "bart", "t5_relu", "marian"}) {
    const LetterModel model(name);
    const auto lines = json_lines(run_on(model, {"translate", "ab cd ef", "gh", "--json", "--align",
                                                 "--beams", "1", "--max-new-tokens", "7"}));
    ASSERT_EQ(lines.size(), 2u);
    for (const Json& line : lines) {
      const auto output = line["output"].get<std::string>();
      if (output.find_first_not_of(' ') != std::string::npos) expect_places(line);
    }
  }
}

TEST(Translate, AFilesTextsAreWhatTheyAreAlone) {
  const LetterModel model("bart");
  std::string input;
  for (int i = 0; i < 9; ++i) input += std::string(static_cast<size_t>(i % 4 + 1), 'b') + " cd\n";
  const auto together =
      json_lines(run_on(model, {"translate", "-", "--json", "--batch", "4"}, {.input = input}));
  const auto alone =
      json_lines(run_on(model, {"translate", "-", "--json", "--batch", "1"}, {.input = input}));
  ASSERT_EQ(together.size(), 9u);
  for (size_t i = 0; i < together.size(); ++i) {
    EXPECT_EQ(together[i]["ids"], alone[i]["ids"]) << i;
    EXPECT_EQ(together[i]["text"], alone[i]["text"]);
  }
}

TEST(Align, PartsOfALongTextAreAlignedInTheWhole) {
  const LetterModel model("transformer_2x6");
  const auto lines =
      json_lines(run_on(model, {"summarize", kLong, "--json", "--align", "--prefix", "ab ",
                                "--max-new-tokens", "5", "--suppress-tokens", "2"}));
  ASSERT_GT(lines[0]["parts"].size(), 1u);
  expect_places(lines[0]);
  const auto second = lines[0]["parts"][1]["start"].get<int64_t>();
  EXPECT_GE(lines[0]["alignment"].back()["source_start"].get<int64_t>(), second);
}

TEST(Align, PrintsLinesAndSavesPictures) {
  const LetterModel model("bart");
  const TemporaryFolder folder;
  const std::vector<std::string> call = {
      "translate", "ab cd", "ef g", "--align", "--max-new-tokens", "6", "--forced-bos-token-id",
      "6"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), call.begin(), call.end());
    return run_on(model, more);
  };
  EXPECT_GE(std::ranges::count(with({}).out, '\n'), 4);
  for (const char* ending : {"svg", "png", "html", "json", "npz"}) {
    const std::string file = (folder / "align.").string() + ending;
    const Result saved = with({"--save", file});
    EXPECT_EQ(saved.status, 0) << saved.err;
    EXPECT_GT(std::filesystem::file_size(file), 100u) << ending;
  }
  EXPECT_EQ(with({"--layer", "1", "--head", "mean"}).status, 0);
  expect_fault(with({"--layer", "2"}), "0 to 1");
  expect_fault(with({"--save", (folder / "a.xyz").string()}), ".png");
  expect_fault(run_on(model, {"translate", "a", "--layer", "1"}), "--align");
}

TEST(LookPair, TellsOfBothSequences) {
  const LetterModel model("bart");
  const Json cross = json_lines(run_on(model, {"look", "ab cd", "--target", "ef g", "--json"}))[0];
  EXPECT_EQ(cross["attention"], "cross");
  EXPECT_EQ(cross["text"], "ab cd");
  EXPECT_EQ(cross["output"], "ef g");
  ASSERT_EQ(cross["heads"].size(), 4u);
  const size_t targets = cross["tokens"].size(), sources = cross["source_tokens"].size();
  EXPECT_EQ(cross["heads"][0]["weights"].size(), targets);
  EXPECT_EQ(cross["heads"][0]["weights"][0].size(), sources);
  EXPECT_EQ(cross["alignment"].size(), 2u);
  expect_places(cross);
  for (const char* which : {"encoder", "decoder"}) {
    const Json own = json_lines(
        run_on(model, {"look", "ab cd", "--target", "ef g", "--attention", which, "--json"}))[0];
    EXPECT_EQ(own["attention"], which);
    EXPECT_EQ(own["heads"].size(), *which == 'e' ? 8u : 4u);
    EXPECT_TRUE(own["heads"][0].contains("role"));
    EXPECT_EQ(own["heads"][0]["weights"].size(), own["tokens"].size());
  }
}

TEST(LookPair, WithoutATargetTheModelWritesOne) {
  const LetterModel model("transformer_2x6");
  const Json look = json_lines(run_on(model, {"look", "ab cd", "--json"}))[0];
  const Json made = json_lines(run_on(model, {"translate", "ab cd", "--json"}))[0];
  EXPECT_EQ(look["ids"], made["ids"]);
  EXPECT_EQ(look["output"], made["output"]);
}

TEST(LookPair, PrintsAndSaves) {
  const LetterModel model("bart");
  const TemporaryFolder folder;
  for (const char* which : {"encoder", "decoder", "cross"}) {
    const std::string file = (folder / which).string() + ".html";
    const Result result = run_on(model, {"look", "ab cd", "--target", "ef g", "--attention", which,
                                         "--word", *which == 'e' ? "cd" : "ef", "--save", file});
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_NE(result.out.find("Heads that look hardest"), std::string::npos) << result.out;
    EXPECT_GT(std::filesystem::file_size(file), 1000u);
  }
  const Result every = run_on(model, {"look", "ab cd", "--target", "ef g", "--head", "all"});
  EXPECT_NE(every.out.find("every layer and head"), std::string::npos) << every.out;
  const Result plain = run_on(model, {"look", "ab cd", "--target", "ef g"});
  EXPECT_NE(plain.out.find("cross-attention"), std::string::npos) << plain.out;
}

TEST(LookPair, StatisticsAreOfTheChosenAttention) {
  const LetterModel model("bart");
  const std::vector<std::string> call = {"look", "ab cd",    "ef",    "--target",
                                         "gh",   "--target", "a b c", "--stats"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), call.begin(), call.end());
    return run_on(model, more);
  };
  const Json cross = json_lines(with({"--json"}))[0];
  EXPECT_EQ(cross["texts"], 2);
  ASSERT_EQ(cross["heads"].size(), 4u);
  EXPECT_FALSE(cross["heads"][0].contains("role"));
  for (const char* name : {"entropy", "spread", "max", "sinks"}) {
    EXPECT_GE(cross["heads"][3][name].get<double>(), 0) << name;
  }
  EXPECT_LE(cross["heads"][3]["spread"].get<double>(), 1);
  const Json encoder = json_lines(with({"--json", "--attention", "encoder"}))[0];
  EXPECT_EQ(encoder["heads"].size(), 8u);
  EXPECT_TRUE(encoder["heads"][0].contains("role"));
  EXPECT_NE(with({}).out.find("spread"), std::string::npos);
  EXPECT_NE(with({"--attention", "decoder"}).out.find("Roles: "), std::string::npos);
}

TEST(LookPair, RolesAreOfLabelledWordsOfTheChosenAttention) {
  const LetterModel model("t5_relu");
  const TemporaryFolder folder;
  const std::string pairs = folder / "pairs.csv";
  write_file(pairs,
             "text,target,from-word,to-word,relation\n"
             "ab cd,ef g,ef,cd,crossing\nab cd,ef g,g,ab,crossing\n");
  const auto cross = json_lines(run_on(model, {"look", "--roles", pairs, "--json"}));
  ASSERT_EQ(cross.size(), 1u);
  EXPECT_EQ(cross[0]["pairs"], 2);
  EXPECT_EQ(cross[0]["baseline"], 0.5);
  EXPECT_EQ(cross[0]["heads"].size(),
            json_lines(run_on(model, {"look", "a", "--target", "b", "--json"}))[0]["heads"].size());
  write_file(pairs, "text,from-word,to-word,relation\nab cd,cd,ab,before\n");
  const Json own =
      json_lines(run_on(model, {"look", "--roles", pairs, "--attention", "encoder", "--json"}))[0];
  EXPECT_EQ(own["offset"], -1);
  expect_fault(run_on(model, {"look", "--roles", pairs}), "found no target");
  expect_fault(run_on(model, {"look", "--roles", pairs, "--target", "a"}), "from its file alone");
}

TEST(LookPair, ComparesTwoSources) {
  const LetterModel model("bart");
  const std::vector<std::string> call = {"look", "ab cd",    "ab ce", "--target",
                                         "fg",   "--target", "fg",    "--compare"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), call.begin(), call.end());
    return run_on(model, more);
  };
  const Json cross = json_lines(with({"--json"}))[0]["divergence"];
  EXPECT_EQ(cross["texts"], Json::parse(R"(["ab cd", "ab ce"])"));
  EXPECT_EQ(cross["outputs"], Json::parse(R"(["fg", "fg"])"));
  ASSERT_EQ(cross["heads"].size(), 4u);
  EXPECT_EQ(cross["heads"][0]["rows"].size(), cross["tokens"][0].size());
  const Json own = json_lines(with({"--json", "--attention", "encoder"}))[0]["divergence"];
  EXPECT_FALSE(own.contains("outputs"));
  EXPECT_EQ(own["heads"].size(), 8u);
  EXPECT_NE(with({"--attention", "decoder"}).out.find("Heads that part most"), std::string::npos);
  expect_fault(run_on(model, {"look", "ab", "abc", "--target", "f", "--target", "f", "--compare"}),
               "two pairs of as many tokens");
}

TEST(LookPair, ShowsNormsOfAllAndRolloutOfTheEncoder) {
  const LetterModel model("bart");
  const auto show = [&](const char* what, const char* attention) {
    return run_on(model, {"look", "ab cd", "--target", "ef g", "--show", what, "--attention",
                          attention, "--sink", "--json"});
  };
  const Json norms = json_lines(show("norms", "cross"))[0];
  EXPECT_EQ(norms["text"], "ab cd");
  EXPECT_EQ(norms["output"], "ef g");
  EXPECT_NE(norms["maps"][0]["rows"], norms["maps"][0]["columns"]);
  EXPECT_FALSE(json_lines(show("norms", "encoder"))[0].contains("output"));
  EXPECT_EQ(json_lines(show("norms", "decoder"))[0]["output"], "ef g");
  const Json rollout = json_lines(show("rollout", "encoder"))[0]["maps"][0];
  for (const Json& row : rollout["values"]) {
    double sum = 0;
    for (const Json& value : row) sum += value.get<double>();
    EXPECT_NEAR(sum, 1, 1e-5);
  }
  expect_fault(show("rollout", "cross"), "--attention encoder");
  expect_fault(show("flow", "decoder"), "takes from the source too");
}

TEST(LookPair, TheLensTellsOfTheDecodersLayers) {
  const LetterModel model("t5_relu");
  const std::vector<std::string> call = {"look", "ab", "--target", "cd", "--lens"};
  std::vector<std::string> json = call;
  json.emplace_back("--json");
  const Json lens = json_lines(run_on(model, json))[0];
  EXPECT_EQ(lens["text"], "ab");
  EXPECT_EQ(lens["output"], "cd");
  EXPECT_EQ(lens["ids"].size(), 3u);  // the start token, c and d
  const Json& last = lens["layers"].back();
  EXPECT_EQ(last["said"].size(), 3u);
  const Json scored =
      json_lines(run_on(model, {"score", "--source", "ab", "--target", "cd", "--json"}))[0];
  for (size_t i = 0; i < 2; ++i) {  // the last layer's are the model's own
    EXPECT_NEAR(last["next"][i].get<double>(), scored["logprobs"][i].get<double>(), 1e-5);
  }
  std::vector<std::string> word = call;
  word.insert(word.end(), {"--word", "cd"});
  EXPECT_NE(run_on(model, word).out.find("after cd"), std::string::npos);
}

TEST(LookPair, FaultsAreOneLine) {
  const LetterModel model("bart");
  const LetterModel decoder("gpt2_2x5");
  expect_fault(run_on(model, {"look", "ab", "--lens", "--attention", "cross"}), "of the decoder");
  expect_fault(run_on(model, {"look", "ab", "cd", "--pair"}), "--target");
  expect_fault(run_on(model, {"look", "ab", "--target", "c", "--board", "distance"}), "entropy");
  expect_fault(run_on(model, {"look", "ab", "cd", "--target", "a"}), "a --target for each of 2");
  expect_fault(run_on(model, {"look", "ab", "--target", "cd", "--word", "q"}), "its words");
  expect_fault(run_on(decoder, {"look", "ab", "--target", "a"}), "of encoder-decoders");
  expect_fault(run_on(model, {"look", "ab", "--attention", "both"}), "both");
}

TEST(ScorePairs, WindowsAreOfTextsAlone) {
  const LetterModel model("transformer_2x6");
  for (const char* option : {"--context", "--stride"}) {
    expect_fault(run_on(model, {"score", "--source", "ab", "--target", "cd", option, "4"}), option);
  }
}

}  // namespace
}  // namespace heed::testing
