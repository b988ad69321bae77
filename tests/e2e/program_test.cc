#include "tests/e2e/program.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <sstream>

#include "heed/io/json.h"

namespace heed::testing {
namespace {

/// The commands as heed --help lists them.
std::vector<std::string> commands() {
  std::istringstream help(run_heed({"--help"}).out);
  std::vector<std::string> names;
  bool listing = false;
  for (std::string line; std::getline(help, line);) {
    if (line == "Commands:") {
      listing = true;
    } else if (listing && line.size() > 2 && line[2] != ' ') {
      names.push_back(line.substr(2, line.find(' ', 2) - 2));
    } else if (listing && line.empty()) {
      break;
    }
  }
  return names;
}

int lines(const std::string& text) {
  return static_cast<int>(std::count(text.begin(), text.end(), '\n'));
}

/// One line that starts with "heed: " and names what it should.
void expect_one_line(const Result& result, int status, const std::string& part) {
  EXPECT_EQ(result.status, status);
  EXPECT_EQ(lines(result.err), 1) << result.err;
  EXPECT_EQ(result.err.rfind("heed: ", 0), 0U) << result.err;
  EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
}

TEST(Program, HelpOfEveryCommandHasUsageAndAnExample) {
  ASSERT_FALSE(commands().empty());
  for (const std::string& name : commands()) {
    const Result help = run_heed({name, "--help"});
    EXPECT_EQ(help.status, 0) << name;
    EXPECT_NE(help.out.find("Usage: heed " + name), std::string::npos) << help.out;
    EXPECT_NE(help.out.find("Example:\n  heed " + name), std::string::npos) << help.out;
    EXPECT_TRUE(help.err.empty()) << help.err;
    std::istringstream text(help.out);
    for (std::string line; std::getline(text, line);) EXPECT_LE(line.size(), 100U) << line;
  }
}

TEST(Program, HelpNamesValuesWhole) {
  EXPECT_NE(run_heed({"attend", "--help"}).out.find("--tile r0:r1,c0:c1 "), std::string::npos);
  EXPECT_NE(run_heed({"embed", "--help"}).out.find("--threads N "), std::string::npos);
  for (const std::string& name : commands()) {
    std::istringstream help(run_heed({name, "--help"}).out);
    std::string words;  // without the ends of lines between them
    for (std::string word; help >> word;) words += word + " ";
    EXPECT_EQ(words.find("(default: ["), std::string::npos) << words;
  }
}

TEST(Program, UsersFaultsAreOneLineAndStatus2) {
  expect_one_line(run_heed({}), 2, "no command");
  expect_one_line(run_heed({"completion"}), 2, "did you mean completions?");
  expect_one_line(run_heed({"--nonsense"}), 2, "--help");
  expect_one_line(run_heed({""}), 2, "there is no command ''; heed --help");
  expect_one_line(run_heed({"doctor", ""}), 2, "'' is one argument too many");
  expect_one_line(run_heed({"completions"}), 2, "SHELL: needed a value, found none");
  expect_one_line(run_heed({"completions", "tcsh"}), 2,
                  "SHELL: needed one of bash, zsh, fish, found 'tcsh'");
  expect_one_line(run_heed({"doctor", "--threads", "x"}), 2,
                  "--threads: needed a whole number from 0 to 4096, found 'x'");
  expect_one_line(run_heed({"doctor", "--threads", "-1"}), 2,
                  "--threads: needed a whole number from 0 to 4096, found '-1'");
  expect_one_line(run_heed({"summarize", "a", "--model", "x", "--window", "0"}), 2,
                  "--window: needed a whole number from 1 to ");
  expect_one_line(run_heed({"tokenizer", "learn", "x"}), 2, "ACTION: needed train, found 'learn'");
  expect_one_line(run_heed({"embed", "a", "--pooling", "last"}), 2,
                  "weightedmean, lasttoken, found 'last'");
  expect_one_line(run_heed({"completions", "bash", "zsh"}), 2, "one argument too many");
  for (const std::string& name : commands()) {
    expect_one_line(run_heed({name, "--nonsense"}), 2, "heed " + name + " --help");
  }
}

TEST(Program, TasksNeedAModelOfTheirKind) {
  Invocation how;
  how.environment = {{"HEED_MODEL", ""}};
  for (const char* name : {"answer", "chat", "classify", "fill", "generate", "ner", "score",
                           "summarize", "translate"}) {
    expect_one_line(run_heed({name}, how), 2, "--model: needed a value, found none");
    expect_one_line(run_heed({name, "--modle", "x"}, how), 2, "did you mean --model?");
    EXPECT_EQ(run_heed({name, "--help"}, how).out.find("all-MiniLM-L6-v2"), std::string::npos)
        << name;
  }
  how.environment["HEED_MODEL"] = "/absent";
  expect_one_line(run_heed({"classify", "a"}, how), 2, "/absent");
}

TEST(Program, NumbersOfValuesAndValuesAreToldAsNeededAndFound) {
  const auto look = [](std::vector<std::string> more) {
    more.insert(more.begin(), {"look", "a"});
    return run_heed(more);
  };
  expect_one_line(look({"--layer", "1", "--layer", "2"}), 2,
                  "--layer: needed at most 1 value, found 2; heed look --help");
  expect_one_line(look({"--seed"}), 2, "--seed: needed N, found nothing");
  expect_one_line(run_heed({"tokens", "--decode", "a = 1"}), 2,
                  "--decode: needed a number, found 'a = 1'");
  expect_one_line(run_heed({"tokens", "--decode", "1.5"}), 2,
                  "--decode: needed a whole number, found '1.5'");
  expect_one_line(run_heed({"tokens", "--decode", "9999999999"}), 2,
                  "--decode: needed a number nearer to 0, found '9999999999'");
  for (const std::string seed : {"-1", "1.5", "18446744073709551616", "x"}) {
    expect_one_line(look({"--seed=" + seed}), 2, "from 0 to 18446744073709551615, found '" + seed);
  }
}

TEST(Program, TellsItsVersion) {
  const Result version = run_heed({"--version"});
  EXPECT_EQ(version.status, 0);
  EXPECT_EQ(version.out.rfind("heed ", 0), 0U);
  EXPECT_EQ(lines(version.out), 1);
}

TEST(Program, FullDiskIsTold) {
  expect_one_line(run_heed({"--help"}, {.output_file = "/dev/full"}), 2, "cannot write");
  expect_one_line(run_heed({"completions", "bash"}, {.output_file = "/dev/full"}), 2,
                  "cannot write");
}

TEST(Program, WhatIsPrintedNeverLandsInAnotherFile) {
  const TemporaryFolder folder;
  const std::string file = (folder / "bank.json").string();
  const std::string explain = "\"$HEED\" explain bank --save " + file;
  expect_one_line(run_shell("(" + explain + " --quiet) >&-"), 2, "standard output: cannot write");
  EXPECT_EQ(read_file(file).front(), '{');
  EXPECT_EQ(run_shell("(" + explain + ") 2>&-").status, 0);
  EXPECT_EQ(read_file(file).find("wrote"), std::string::npos);
}

TEST(Program, ClosedPipeEndsQuietly) {
  const Result closed = run_shell(
      "(sleep 0.3; \"$HEED\" completions fish) | true; "
      "echo ${PIPESTATUS[0]}");
  EXPECT_EQ(closed.out, "141\n");
  EXPECT_EQ(closed.err, "");
}

TEST(Program, CompletionScriptsAreValidAndComplete) {
  const Result bash = run_shell(
      "source <(\"$HEED\" completions bash); COMP_WORDS=(heed com); COMP_CWORD=1; _heed; "
      "echo \"${COMPREPLY[@]}\"; COMP_WORDS=(heed completions z); COMP_CWORD=2; _heed; "
      "echo \"${COMPREPLY[@]}\"; COMP_WORDS=(heed completions --he); _heed; "
      "echo \"${COMPREPLY[@]}\"");
  EXPECT_EQ(bash.out, "completions\nzsh\n--help\n") << bash.err;
  for (const std::string shell : {"bash", "zsh", "fish"}) {
    const Result script = run_heed({"completions", shell});
    for (const std::string& name : commands()) {
      EXPECT_NE(script.out.find(name), std::string::npos) << shell << " lacks " << name;
    }
    const Result parsed =
        run_shell("command -v " + shell + " >/dev/null || exit 0; \"$HEED\" completions " + shell +
                  " | " + shell + " -n");
    EXPECT_EQ(parsed.status, 0) << shell << ": " << parsed.err;
  }
}

TEST(Doctor, TellsProblemsAndWhatToDo) {
  TemporaryFolder empty;
  const Invocation how = {.environment = {{"HF_HUB_CACHE", empty.path().string()},
                                          {"HEED_NUM_THREADS", "3"},
                                          {"LC_ALL", "C"}}};
  const Result text = run_heed({"doctor"}, how);
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_NE(text.out.find("problem: no model"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("do: export LC_ALL=C.UTF-8"), std::string::npos) << text.out;

  const Json json = Json::parse(run_heed({"doctor", "--json"}, how).out);
  EXPECT_EQ(json.at("threads"), 3);
  EXPECT_TRUE(json.at("models").empty());
  EXPECT_FALSE(json.at("operators").empty());
  // Sets that have products of bf16 pairs for attention run avx512 for everything else.
  const bool pairs = json.at("isa") == "amx" || json.at("isa") == "avx512_bf16";
  for (const Json& kernel : json.at("operators")) {
    const bool of_pairs = kernel.at("op") == "attention bf16";
    EXPECT_EQ(kernel.at("isa"), pairs && !of_pairs ? Json("avx512") : json.at("isa")) << kernel;
  }

  expect_one_line(run_heed({"doctor"}, {.environment = {{"HEED_ISA", "mmx"}}}), 2, "reference");
  expect_one_line(run_heed({"doctor"}, {.environment = {{"HEED_NUM_THREADS", "two"}}}), 2,
                  "needed a number from 1 to 4096, found 'two'");
}

}  // namespace
}  // namespace heed::testing
