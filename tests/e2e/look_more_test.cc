#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "heed/io/npy.h"
#include "heed/lens/labels.h"
#include "tests/e2e/program.h"
#include "tests/letter_models.h"
#include "tests/random_bert.h"

// heed look beyond its summary: long texts, --stats, --roles, --show, --compare.

namespace heed::testing {
namespace {

constexpr const char* kRiver = "I sat by the river bank.";

void fails(const std::vector<std::string>& arguments, const std::string& part) {
  const Result result = run_heed(arguments);
  EXPECT_EQ(result.status, 2) << part;
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
  EXPECT_TRUE(result.out.empty()) << result.out;
}

TEST(LookMore, LensTellsWhatEachLayerWouldSay) {
  const LetterModel model("gpt2_2x5");
  const Result json = run_heed({"look", "--lens", "ab c", "--model", model.name(), "--json"});
  ASSERT_EQ(json.status, 0) << json.err;
  const auto lens = nlohmann::json::parse(json.out);
  EXPECT_EQ(lens["tokens"].size(), 4U);
  ASSERT_EQ(lens["layers"].size(), 3U);
  EXPECT_EQ(lens["layers"][0]["after"], "embeddings");
  EXPECT_EQ(lens["layers"][2]["after"], 1);
  EXPECT_EQ(lens["layers"][2]["said"][3].size(), 5U);
  EXPECT_TRUE(lens["layers"][2]["next"][3].is_null());
  const Result score = run_heed({"score", "ab c", "--model", model.name(), "--json"});
  const auto logprobs = nlohmann::json::parse(score.out)["logprobs"];
  for (size_t t = 0; t < 3; ++t) {
    EXPECT_NEAR(lens["layers"][2]["next"][t].get<double>(), logprobs[t + 1].get<double>(), 1e-4);
  }
  const std::string said = lens["layers"][2]["said"][1][0]["token"].get<std::string>();
  const Result table =
      run_heed({"look", "--lens", "ab c", "--model", model.name(), "--word", "ab", "--numbers"});
  EXPECT_NE(table.out.find("#5"), std::string::npos) << table.out;
  EXPECT_NE(table.out.find("layer 1"), std::string::npos) << table.out;
  EXPECT_NE(table.out.find(said == " " ? "\u2423" : said), std::string::npos) << table.out;
  TemporaryFolder folder;
  for (const std::string ending : {"png", "svg", "pdf", "html", "json"}) {
    const std::string file = (folder / "lens.").string() + ending;
    EXPECT_EQ(run_heed({"look", "--lens", "ab c", "--model", model.name(), "--save", file}).status,
              0);
    EXPECT_GT(std::filesystem::file_size(file), 100U);
  }
  fails({"look", "--lens", "ab", "--model", model.name(), "--head", "0"},
        "--lens needed none but --word, --pieces, --truncate, found --head");
  write_random_bert(folder.path(), 64);
  fails({"look", "--lens", "ab", "--model", folder.path().string()}, "no causal language model");
}

TEST(LookMore, NoLineIsWiderThanTheNarrowestTerminal) {
  TemporaryFolder folder;
  write_random_bert(folder.path(), 64);
  const std::vector<std::string> texts = {"look", "he saw a b c", "abcdefghijklmnopqrstuvwxyz a b",
                                          "--model", folder.path().string()};
  for (const std::vector<std::string>& more :
       std::vector<std::vector<std::string>>{{}, {"--word", "a"}, {"--word", "b", "--sink"}}) {
    for (const std::string locale : {"C", "C.UTF-8"}) {
      std::vector<std::string> all = texts;
      all.insert(all.end(), more.begin(), more.end());
      const Result result = run_heed(all, {.environment = {{"COLUMNS", "20"}, {"LC_ALL", locale}}});
      ASSERT_EQ(result.status, 0) << result.err;
      std::istringstream lines(result.out);
      for (std::string line; std::getline(lines, line);) {
        EXPECT_LE(display_width(line), 20) << line;
        EXPECT_TRUE(locale != "C" || line.find("…") == std::string::npos) << line;
      }
    }
  }
}

TEST(LookMore, OneHeadIsToldOfAsOne) {
  const LetterModel model("gpt2_1x16");
  const Result result = run_heed({"look", "ab c", "--model", model.name()});
  EXPECT_NE(result.out.find("2 layers x 1 head, counted from 0"), std::string::npos) << result.out;
}

TEST(LookMore, LongTextsAreToldOfByReports) {
  TemporaryFolder folder;
  write_random_bert(folder.path(), 4096);
  const std::string model = folder.path().string(), text = letters(2500);
  const Result summary = run_heed({"look", text, "--model", model, "--word", "q:2"});
  EXPECT_EQ(summary.status, 0) << summary.err;
  EXPECT_NE(summary.err.find("2502 tokens are more than 2048"), std::string::npos) << summary.err;
  EXPECT_NE(summary.out.find("Longer than 2048 tokens"), std::string::npos) << summary.out;
  const Result json = run_heed({"look", text, "--model", model, "--json", "--quiet"});
  EXPECT_TRUE(json.err.empty()) << json.err;
  const auto head = nlohmann::json::parse(json.out)["heads"][3];
  EXPECT_FALSE(head.contains("weights"));
  EXPECT_EQ(head["report"]["entropy"].size(), 2502U);
  EXPECT_EQ(head["report"]["top8_keys"][7].size(), 8U);
  EXPECT_EQ(head["report"]["map256_row_edges"].size(), 257U);
  for (const std::string ending : {"png", "svg", "json", "csv", "npy", "npz"}) {
    const auto path = folder / ("long." + ending);
    const Result saved =
        run_heed({"look", text, "--model", model, "--save", path.string(), "--quiet"});
    EXPECT_EQ(saved.status, 0) << saved.err;
    EXPECT_GT(std::filesystem::file_size(path), 5000U) << ending;
  }
  std::map<std::string, Tensor> arrays;
  for (const auto& [name, array] : read_npz(folder / "long.npz")) arrays[name] = array;
  EXPECT_EQ(arrays.at("maps").shape(), (Shape{256, 256}));
  EXPECT_EQ(arrays.at("row_edges").numel(), 257);
  EXPECT_EQ(arrays.at("received").shape(), (Shape{2, 2, 2502}));
  const auto saved = nlohmann::json::parse(read_file(folder / "long.json"));
  EXPECT_EQ(saved["maps"][0]["column_edges"].back(), 2502);
  const std::string apart = folder / "apart.json";
  const Result compared =
      run_heed({"look", text, text, "--model", model, "--compare", "--save", apart, "--quiet"});
  EXPECT_EQ(compared.status, 0) << compared.err;
  const auto maps = nlohmann::json::parse(read_file(apart))["maps"];
  EXPECT_EQ(maps.back()["row_edges"].back(), 2502);
  EXPECT_EQ(maps.back()["column_edges"].size(), 257U);
  fails({"look", text, "--model", model, "--show", "rollout"}, "at most 2048 tokens");
}

TEST(LookMore, StatisticsAndBoards) {
  HEED_NEED_MODEL(model_folder());
  const Result table = run_heed({"look", kRiver, "--stats"});
  EXPECT_NE(table.out.find("L0 H2  previous"), std::string::npos) << table.out;
  EXPECT_NE(table.out.find("1.00 at -1"), std::string::npos) << table.out;
  EXPECT_NE(table.out.find("Entropy: most L3 H11 1.99,"), std::string::npos) << table.out;
  EXPECT_NE(table.out.find("least L0 H2 0.00,"), std::string::npos) << table.out;
  EXPECT_NE(table.out.find("Sinks: most "), std::string::npos) << table.out;
  const auto json = nlohmann::json::parse(run_heed({"look", kRiver, "--stats", "--json"}).out);
  EXPECT_EQ(json["heads"].size(), 72U);
  EXPECT_EQ(json["heads"][33]["role"], "duplicate");  // layer 2, head 9
  EXPECT_GT(json["heads"][33]["duplicate"], 0.5);
  const TemporaryFolder saved;
  EXPECT_EQ(run_heed({"look", kRiver, "--stats", "--save", saved / "heads.npz"}).status, 0);
  const NamedTensors arrays = read_npz(saved / "heads.npz");
  const Tensor entropy = find_tensor(arrays, "entropy");
  ASSERT_TRUE(entropy);
  EXPECT_EQ(entropy.shape(), (Shape{6, 12}));
  const Result board = run_heed({"look", kRiver, "--board", "sinks", "--numbers"});
  EXPECT_NE(board.out.find("H11"), std::string::npos) << board.out;
  fails({"look", kRiver, "--board", "entrpy"}, "did you mean entropy");
  fails({"look", kRiver, "--stats", "--compare"}, "--compare");
}

TEST(LookMore, RolesOfOurOwnPairs) {
  HEED_NEED_MODEL(model_folder());
  const std::string pairs = std::string(HEED_SOURCE_DIR) + "/examples/pairs/sentiment.csv";
  const Result json = run_heed({"look", "--roles", pairs, "--json", "--quiet"});
  ASSERT_EQ(json.status, 0) << json.err;
  const auto second = nlohmann::json::parse(json.out.substr(json.out.find('\n')));
  EXPECT_EQ(second["relation"], "judgement to its negation");
  EXPECT_EQ(second["heads"][0]["layer"], 5);
  EXPECT_EQ(second["heads"][0]["head"], 9);
  EXPECT_GT(second["heads"][0]["hits"], 0.9);
  EXPECT_LT(second["baseline"], 0.5);
}

TEST(LookMore, FaultyPairsAreToldInOneLine) {
  HEED_NEED_MODEL(model_folder());
  TemporaryFolder folder;
  const auto pairs = [&](const std::string& content) {
    write_file(folder / "pairs.csv", content);
    return (folder / "pairs.csv").string();
  };
  fails({"look", "--roles", pairs("text,from-word,relation\na b,a,r\n")}, "no to-word in: text");
  fails({"look", "--roles", pairs("text,from-word,to-word,relation\na b,a,b\n")}, "4 cells");
  fails({"look", "--roles", pairs("text,from-word,to-word,relation\na b,a,c,r\n")},
        "to-word 'c' is not a word of 'a b'");
  fails({"look", "--roles", pairs("text,from-word,to-word,relation\na b,a,b,\n")},
        "pairs.csv:2: needed the name of a relation");
  fails({"look", "--roles", pairs("text,from-word,to-word,relation\na b,a,b,r\n,a,b,r\n")},
        "roles: pair 2: look: needed a word");
  fails({"look", "--roles", pairs("")}, "needed the columns");
  fails({"look", "a b", "--roles", "pairs.csv"}, "texts from its file alone");
}

TEST(LookMore, WhatAModeDoesNotTakeIsRefused) {
  TemporaryFolder folder;
  write_random_bert(folder.path(), 64);
  const auto refuses = [&](std::vector<std::string> mode, const std::vector<std::string>& choices) {
    mode.insert(mode.begin(), "look");
    mode.insert(mode.end(), {"--model", folder.path().string()});
    for (const std::string& choice : choices) {
      std::vector<std::string> all = mode;
      all.push_back(choice);
      const bool flag = choice == "--sink" || choice == "--pair" || choice == "--pieces";
      if (!flag) all.emplace_back("0");
      fails(all, ", found " + choice);
    }
  };
  refuses({"a", "--stats"}, {"--word", "--layer", "--head", "--sink", "--pieces"});
  refuses({"a", "--board", "max"}, {"--word", "--layer", "--head", "--sink", "--pieces"});
  refuses({"--roles", "p.csv"}, {"--word", "--layer", "--head", "--sink", "--pair"});
  refuses({"a", "b", "--compare"}, {"--word", "--sink", "--pieces"});
  refuses({"a", "--lens"}, {"--layer", "--head", "--sink", "--pair"});
}

TEST(LookMore, RolesOfTextsThatAreCut) {
  TemporaryFolder folder;
  write_random_bert(folder.path(), 16);
  const std::string pairs = folder / "pairs.csv";
  write_file(pairs, "text,from-word,to-word,relation\na b " + letters(30) + ",a,b,next\n");
  const std::vector<std::string> call = {"look", "--roles", pairs, "--model",
                                         folder.path().string()};
  fails(call, "cut it with --truncate");
  std::vector<std::string> cut = call;
  cut.insert(cut.end(), {"--truncate", "--quiet"});
  EXPECT_EQ(run_heed(cut).status, 0);
}

TEST(LookMore, WhatReachesAWord) {
  HEED_NEED_MODEL(model_folder());
  const auto flow = nlohmann::json::parse(
      run_heed({"look", kRiver, "--show", "flow", "--word", "bank", "--layer", "0", "--json"}).out);
  EXPECT_EQ(flow["show"], "flow");
  EXPECT_NEAR(flow["maps"][0]["values"][0][4].get<float>(), 0.301 / 2, 1e-3);  // river
  const auto rollout = nlohmann::json::parse(
      run_heed({"look", kRiver, "--show", "rollout", "--layer", "0", "--sink", "--json"}).out);
  float sum = 0;
  for (const auto& value : rollout["maps"][0]["values"][6]) sum += value.get<float>();
  EXPECT_NEAR(sum, 1, 1e-5);
  EXPECT_EQ(run_heed({"look", kRiver, "--show", "norms", "--head", "all"}).status, 0);
  fails({"look", kRiver, "--show", "flow"}, "needed the word");
  fails({"look", kRiver, "--show", "rollout", "--head", "3"}, "all heads together");
  fails({"look", kRiver, "--show", "nothing"}, "--show");
}

TEST(LookMore, TwoTextsAreComparedTokenByToken) {
  HEED_NEED_MODEL(model_folder());
  const Result text = run_heed({"look", kRiver, "I lay by the river bank.", "--compare"});
  EXPECT_NE(text.out.find("sat/lay"), std::string::npos) << text.out;
  // the map of the head that parts most, with colours or shades of two signs
  const size_t map = text.out.find("L5 H9: 2's weights - 1's");
  ASSERT_NE(map, std::string::npos) << text.out;
  EXPECT_NE(text.out.find(" 0 ", text.out.find("-0.39", map)), std::string::npos) << text.out;
  const auto json = nlohmann::json::parse(
      run_heed({"look", kRiver, kRiver, "--compare", "--json"}).out)["divergence"];
  EXPECT_EQ(json["heads"].size(), 72U);
  EXPECT_NEAR(json["heads"][5]["mean"].get<float>(), 0, 1e-6);
  fails({"look", kRiver, "--compare"}, "needed two texts, found 1");
  fails({"look", kRiver, "A bank.", "--compare"}, "found 9 and 5");
}

TEST(LookMore, TwoModelsAndTwoHeadsAreComparedOnOneText) {
  const TemporaryFolder one, other, saved;
  write_random_bert(one.path(), 64);
  write_random_bert(other.path(), 64, /*seed=*/1);
  const auto compare = [&](const std::vector<std::string>& more) {
    std::vector<std::string> all = {"look", "a b c d e", "--compare", "--model", one.path()};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  const auto json = [&](std::vector<std::string> more) {
    more.emplace_back("--json");
    const Result result = run_heed(compare(more));
    EXPECT_EQ(result.status, 0) << result.err;
    return nlohmann::json::parse(result.out)["divergence"];
  };
  EXPECT_NEAR(json({"--with", one.path()})["heads"][3]["mean"].get<float>(), 0, 1e-6);
  const auto models = json({"--with", other.path()});
  ASSERT_EQ(models["heads"].size(), 4U);
  EXPECT_GT(models["heads"][3]["mean"].get<float>(), 0.001);
  EXPECT_EQ(models["models"][1], other.path().string());
  const auto heads = json({"--layer", "0", "--head", "1", "--with-head", "1.0"});
  ASSERT_EQ(heads["heads"].size(), 1U);
  EXPECT_EQ(heads["heads"][0]["with_layer"], 1);
  EXPECT_EQ(heads["heads"][0]["rows"].size(), 7U);
  EXPECT_GT(heads["heads"][0]["mean"].get<float>(), 0.001);
  const std::string file = saved / "apart.npz";
  const Result npz = run_heed(compare({"--with", other.path(), "--layer", "1", "--save", file}));
  ASSERT_EQ(npz.status, 0) << npz.err;
  const NamedTensors arrays = read_npz(file);
  const Tensor sum = find_tensor(arrays, "difference_sum");
  ASSERT_TRUE(sum);
  EXPECT_EQ(sum.shape(), (Shape{2, 2, 7, 7}));
  EXPECT_EQ(run_heed(compare({"--layer", "0", "--head", "1", "--with-head", "1.0", "--save",
                              saved / "heads.svg"}))
                .status,
            0);
  const std::string drawn = read_file(saved / "heads.svg");
  EXPECT_NE(drawn.find("weights - 1"), std::string::npos);
  EXPECT_NE(drawn.find("Above 0 (red) 2 gives more"), std::string::npos) << drawn;
  fails(compare({"--with-head", "1.0"}), "needed the other head's number in --layer and --head");
  fails(compare({"--layer", "0", "--head", "1", "--with-head", "2.0"}), "LAYER.HEAD");
  fails(compare({"f", "--with", other.path()}), "needed one text, found 2");
  fails(compare({"--layer", "mean", "--with", other.path()}), "needed 0 to 1 or all");
}

}  // namespace
}  // namespace heed::testing
