#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "heed/lens/labels.h"
#include "tests/e2e/program.h"

namespace heed::testing {
namespace {

const std::vector<std::string> kBank = {"look", "I sat by the river bank.",
                                        "I deposited money in the bank.", "--word", "bank"};

std::vector<std::string> with(std::vector<std::string> arguments,
                              const std::vector<std::string>& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

TEST(LookProgram, SummaryIsShortNarrowAndHasTheTrueNumbers) {
  HEED_NEED_MODEL(model_folder());
  for (const std::string width : {"40", "80", "120"}) {
    for (const std::string locale : {"C", "C.UTF-8"}) {
      const Result result =
          run_heed(kBank, {.environment = {{"COLUMNS", width}, {"LC_ALL", locale}}});
      ASSERT_EQ(result.status, 0) << result.err;
      const std::vector<std::string> lines = lines_of(result.out);
      if (width != "40") {
        EXPECT_LE(lines.size(), 64U);
      }
      for (const std::string& line : lines)
        EXPECT_LE(display_width(line), std::stoi(width)) << line;
      for (const char* part : {"river 0.999", "deposited 0.564", "0.892", "0.767",
                               "[CLS] and [SEP]", "after layer 5", "counted from 0"}) {
        EXPECT_NE(result.out.find(part), std::string::npos) << part << "\n" << result.out;
      }
    }
  }
}

TEST(LookProgram, JsonHasOneObjectATextThenTheComparison) {
  HEED_NEED_MODEL(model_folder());
  const std::vector<std::string> lines = lines_of(run_heed(with(kBank, {"--json"})).out);
  ASSERT_EQ(lines.size(), 3U);
  const auto river = nlohmann::json::parse(lines[0]);
  EXPECT_EQ(river["text"], "I sat by the river bank.");
  EXPECT_EQ(river["tokens"].size(), 9U);
  EXPECT_EQ(river["words"][6]["word"], "bank");
  EXPECT_EQ(river["heads"].size(), 72U);
  EXPECT_EQ(river["heads"][2]["role"], "previous");
  EXPECT_NEAR(river["heads"][2]["weights"][6][5].get<float>(), 0.999f, 5e-4f);
  const auto compare = nlohmann::json::parse(lines[2])["compare"];
  EXPECT_NEAR(compare["pairs"][0]["cosines"][6].get<float>(), 0.767f, 5e-4f);
  EXPECT_EQ(compare["occurrences"][1]["vectors"].size(), 7U);
}

TEST(LookProgram, SavesEveryFormat) {
  HEED_NEED_MODEL(model_folder());
  TemporaryFolder folder;
  for (const std::string ending : {"png", "svg", "pdf", "html", "json", "csv", "npy"}) {
    const auto path = folder / ("bank." + ending);
    const Result result = run_heed(with(kBank, {"--layer", "5", "--save", path.string()}));
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_GT(std::filesystem::file_size(path), 500U) << ending;
  }
}

TEST(LookProgram, MapsOfOneHeadOfAllAndWithNumbers) {
  HEED_NEED_MODEL(model_folder());
  const Result one = run_heed(with(kBank, {"--layer", "0", "--head", "2", "--numbers"}));
  EXPECT_NE(one.out.find("layer 0, head 2"), std::string::npos);
  EXPECT_NE(one.out.find("1.00"), std::string::npos);
  const Result all = run_heed({"look", "A bank.", "--head", "all"});
  EXPECT_NE(all.out.find("L5 H11"), std::string::npos) << all.out;
  const Result sink = run_heed({"look", "A bank.", "--sink", "--numbers"});
  EXPECT_NE(sink.out.find("[CLS]  "), std::string::npos) << sink.out;
}

TEST(LookProgram, TextsComeFromAnywhere) {
  HEED_NEED_MODEL(model_folder());
  const Result piped = run_heed({"look", "-"}, {.input = "A river.\nA bank.\n"});
  EXPECT_EQ(piped.status, 0);
  EXPECT_NE(piped.out.find("2. A bank."), std::string::npos) << piped.out;
  EXPECT_EQ(run_heed({"look", "\xff\xfe \033[31m"}).out.find('\033'), std::string::npos);
  const Result pair = run_heed({"look", "A river?", "A bank.", "--pair", "--json"});
  EXPECT_EQ(nlohmann::json::parse(pair.out)["second"], "A bank.");
}

TEST(LookProgram, FaultsAreOneLineThatTellsWhatToDo) {
  HEED_NEED_MODEL(model_folder());
  const auto fails = [](const std::vector<std::string>& arguments, const std::string& part) {
    const Result result = run_heed(arguments);
    EXPECT_EQ(result.status, 2) << part;
    EXPECT_EQ(lines_of(result.err).size(), 1U) << result.err;
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
    EXPECT_TRUE(result.out.empty()) << result.out;
  };
  fails({"look", "A river.", "--word", "shore"}, "its words: A river .");
  fails({"look", "A bank.", "--word", "bank:2"}, "found 1 of them");
  fails({"look", "A bank.", "--layer", "6"}, "needed 0 to 5, mean or all, found '6'");
  fails({"look", "A bank.", "--pair"}, "even number of texts");
  fails({"look", "A bank.", "--theme", "blue"}, "--theme");
  std::string text;
  for (int i = 0; i < 600; ++i) text += "bank ";
  fails({"look", text}, "--truncate");
}

TEST(LookProgram, WrongEndingIsToldBeforeAnyWork) {
  const Result result = run_heed({"look", "A bank.", "--save", "bank.jpg"});
  EXPECT_EQ(result.status, 2);
  EXPECT_NE(result.err.find(".png"), std::string::npos) << result.err;
  EXPECT_TRUE(result.out.empty());
  TemporaryFolder folder;
  const Result nowhere =
      run_heed({"look", "A bank.", "--save", (folder / "none/bank.png").string()});
  EXPECT_EQ(nowhere.status, 2);
  EXPECT_NE(nowhere.err.find("needed the folder"), std::string::npos) << nowhere.err;
  EXPECT_TRUE(nowhere.out.empty());
}

TEST(LookProgram, OptionsWithNothingInThemAreRefused) {
  for (const std::string option : {"--word", "--layer", "--head", "--save", "--board", "--roles"}) {
    const Result result = run_heed({"look", "A bank.", option, ""});
    EXPECT_EQ(result.status, 2) << option;
    EXPECT_NE(result.err.find(option + ": needed "), std::string::npos) << result.err;
  }
  for (const std::string option : {"--with", "--with-head"}) {
    const Result result = run_heed({"look", "A bank.", "A bank.", "--compare", option, ""});
    EXPECT_EQ(result.status, 2) << option;
    EXPECT_NE(result.err.find(option + ": needed "), std::string::npos) << result.err;
  }
}

TEST(LookProgram, ATextWithoutAWordIsRefused) {
  HEED_NEED_MODEL(model_folder());
  for (const std::string text : {"", " \t "}) {
    const Result result = run_heed({"look", text});
    EXPECT_EQ(result.status, 2);
    EXPECT_NE(result.err.find("look: needed a word to look from"), std::string::npos) << result.err;
  }
}

}  // namespace
}  // namespace heed::testing
