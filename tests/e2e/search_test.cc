// heed search and heed similar as a user runs them, on a small random encoder.

#include <gtest/gtest.h>

#include <algorithm>

#include "heed/base/file.h"
#include "heed/base/folder_lock.h"
#include "heed/io/csv.h"
#include "heed/io/json.h"
#include "tests/e2e/program.h"
#include "tests/random_bert.h"

namespace heed::testing {
namespace {

std::vector<Json> lines_in(const std::string& out) {
  std::vector<Json> lines;
  for (const std::string_view line : lines_of(out)) lines.push_back(parse_json(line, "stdout"));
  return lines;
}

void expect_fault(const Result& result, const std::string& part) {
  EXPECT_EQ(result.status, 2) << result.out << result.err;
  EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
  EXPECT_EQ(std::ranges::count(result.err, '\n'), 1) << result.err;
}

class Search : public ::testing::Test {
 protected:
  Search() {
    for (const char* name : {"model", "texts"}) std::filesystem::create_directory(folder_ / name);
    write_random_bert(folder_ / "model", 64);
    write("play.txt", "a b c d. e f g h.\nx30 x31 x32. x33 x34.\n");
    write("rows.jsonl", "{\"text\": \"q w e r t y\"}\n{\"text\": \"k l m n o p\"}\n");
  }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string file(const std::string& name) const { return path("texts/" + name); }
  void write(const std::string& name, const std::string& content) const {
    write_file(folder_ / ("texts/" + name), content);
  }
  /// heed search ACTION INDEX ..., without the note that the model has no modules.json.
  Result search(const std::string& action, std::vector<std::string> more = {}) const {
    more.insert(more.begin(), {"search", action, path("index"), "--quiet"});
    return run_heed(more);
  }
  Result make() const {
    return search("index",
                  {path("texts"), "--chunk-tokens", "8", "--model", path("model"), "--json"});
  }
  Json best(const std::string& query) const {
    const Result found = search("query", {query, "--json", "--top-k", "1"});
    EXPECT_EQ(found.status, 0) << found.err;
    return lines_in(found.out).at(0)["hits"].at(0);
  }

  TemporaryFolder folder_;
};

TEST_F(Search, AnIndexIsMadeAskedUpdatedAndForgets) {
  const Result made = make();
  ASSERT_EQ(made.status, 0) << made.err;
  const Json report = lines_in(made.out).at(0);
  EXPECT_EQ(report["added"], 2);
  EXPECT_EQ(report["files"], 2);
  EXPECT_EQ(report["passages"], report["embedded"]);

  const Json row = best("k l m n o p");
  EXPECT_NEAR(row["score"].get<double>(), 1, 1e-5);
  EXPECT_EQ(row["path"], file("rows.jsonl"));
  EXPECT_EQ(row["line"], 2);
  const Json part = best("x33 x34.");
  EXPECT_EQ(part["path"], file("play.txt"));
  const auto begin = part["byte_offsets"][0].get<size_t>();
  const auto end = part["byte_offsets"][1].get<size_t>();
  EXPECT_EQ(read_file(folder_ / "texts/play.txt").substr(begin, end - begin), part["text"]);

  write("new.txt", "x35 x36 x37");
  std::filesystem::remove(folder_ / "texts/rows.jsonl");
  const Json update = lines_in(search("update", {"--json"}).out).at(0);
  EXPECT_EQ(update["added"], 1);
  EXPECT_EQ(update["removed"], 1);
  EXPECT_EQ(best("x35 x36 x37")["path"], file("new.txt"));
  EXPECT_EQ(lines_in(search("remove", {file("new.txt"), "--json"}).out).at(0)["removed"], 1);
  EXPECT_EQ(best("x35 x36 x37")["path"], file("play.txt"));
  EXPECT_EQ(lines_in(search("check", {"--json"}).out).at(0)["intact"], true);
  EXPECT_EQ(search("compact").status, 0);
  const Result text = search("query", {"x33 x34.", "e f g h."});
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_NE(text.out.find("play.txt"), std::string::npos) << text.out;
}

TEST_F(Search, BytesThatAreNoUtf8AreTold) {
  write("latin.txt", "a b c.\nd \xe9 \xe8.\n");
  write("more.txt", "\xe9\n");
  const Result made =
      run_heed({"search", "index", path("index"), path("texts"), "--model", path("model")});
  EXPECT_EQ(made.status, 0) << made.err;
  const std::string fault = file("latin.txt") + ":2: text must be UTF-8, found the byte 0xE9";
  EXPECT_NE(made.err.find(fault), std::string::npos) << made.err;
  EXPECT_NE(made.err.find("2 files have bytes that are no UTF-8"), std::string::npos) << made.err;
  EXPECT_EQ(made.err.find("more.txt"), std::string::npos) << made.err;
}

TEST_F(Search, AnotherModelIsRefused) {
  ASSERT_EQ(make().status, 0);
  const std::string wider = (golden_folder() / "encoder_bert_classify").string();  // 12, not 16
  expect_fault(search("query", {"a", "--model", wider}), "is another model");
  expect_fault(search("update", {"--model", wider}), "is another model");
  expect_fault(search("index", {file("play.txt"), "--model", wider}), "is another model");
  // the index's own model is no longer what it was
  write_random_bert(folder_ / "model", 48);
  expect_fault(search("query", {"a"}), "is another model");
  std::filesystem::remove_all(folder_ / "model");
  expect_fault(search("query", {"a"}), path("model"));
}

TEST_F(Search, SettingsOfAnIndexStay) {
  ASSERT_EQ(make().status, 0);
  expect_fault(search("index", {path("texts"), "--chunk-tokens", "9"}), "--chunk-tokens 8, not 9");
  expect_fault(search("index", {path("texts"), "--lines"}), "without --lines");
  expect_fault(search("update", {"--top-k", "3"}), "--top-k is for heed search query");
  expect_fault(search("index", {path("nowhere")}), "nowhere");
}

TEST_F(Search, AFileThatCannotBeReadIsLeftOutAndLosesNothing) {
  ASSERT_EQ(make().status, 0);
  const Json before = best("k l m n o p");
  write("bad.jsonl", "{\"text\": \"a\"}\n{\"text\": \n");
  const auto unread = [&] {
    return lines_in(search("update", {"--json"}).out).at(0)["unread"].get<int64_t>();
  };
  EXPECT_EQ(unread(), 1);
  expect_fault(search("index", {file("bad.jsonl")}), "bad.jsonl:2");  // one that is named stops it
  write("bad.jsonl", "{\"other\": \"a\"}\n");
  EXPECT_EQ(unread(), 1);
  std::filesystem::remove(folder_ / "texts/bad.jsonl");
  std::filesystem::create_symlink("/proc/self/mem", folder_ / "texts/bad.txt");  // fails when read
  EXPECT_EQ(unread(), 1);
  std::filesystem::remove(folder_ / "texts/bad.txt");
  EXPECT_EQ(best("k l m n o p"), before);
  EXPECT_EQ(search("update").status, 0);
}

TEST_F(Search, OneProcessWritesAndOthersRead) {
  ASSERT_EQ(make().status, 0);
  const FolderLock lock(folder_ / "index", "test");
  for (const char* action : {"update", "compact"}) {
    expect_fault(search(action), "another process writes to");
  }
  expect_fault(search("remove", {file("play.txt")}), "another process writes to");
  EXPECT_EQ(best("k l m n o p")["path"], file("rows.jsonl"));
}

TEST_F(Search, APathThatTheSystemRefusesIsTheUsersFault) {
  const std::string too_long(5000, 'a');
  const auto run = [&](std::vector<std::string> call) { return run_heed(call); };
  for (const char* action : {"info", "check", "compact", "update"}) {
    expect_fault(run({"search", action, too_long}), "File name too long");
  }
  expect_fault(run({"search", "query", too_long, "a"}), "File name too long");
  expect_fault(run({"search", "remove", too_long, "a"}), "File name too long");
  expect_fault(run({"search", "index", too_long, path("texts")}), "File name too long");
  expect_fault(search("index", {too_long, "--model", path("model")}), "File name too long");
  ASSERT_EQ(make().status, 0);
  expect_fault(search("index", {too_long}), "File name too long");
  expect_fault(run_shell("cd " + folder_.path().string() +
                         " && mkdir gone && cd gone && rmdir ../gone && \"$HEED\" search remove " +
                         path("index") + " play.txt"),
               "cannot find the current folder");
}

TEST_F(Search, QueriesAndPairsAreAnsweredAsTheyCome) {
  ASSERT_EQ(make().status, 0);
  // each is answered before the next one is written
  const auto talk = [&](const std::string& command, const std::string& first,
                        const std::string& second) {
    const std::string lines = "cd " + folder_.path().string() +
                              " && rm -f to from && mkfifo to from && (\"$HEED\" " + command +
                              " --json < to > from &) && exec 4> to 5< from && printf \"" + first +
                              "\" >&4 && read -r answer <&5 && echo \"$answer\" && printf \"" +
                              second + "\" >&4 && exec 4>&- && cat <&5";
    const Result result = run_shell("timeout 60 bash -c '" + lines + "'");
    EXPECT_EQ(result.status, 0) << result.err;
    return lines_in(result.out);
  };
  const auto queries = talk("search query index - --quiet", "x33 x34.\\n", "k l\\n");
  ASSERT_EQ(queries.size(), 2u);
  EXPECT_EQ(queries[0]["hits"][0]["path"], file("play.txt"));
  EXPECT_EQ(queries[1]["query"], "k l");
  const auto pairs =
      talk("similar - --pairs --model model", "a b\\na c\\nx30\\n", "x30\\nq\\nw\\n");
  ASSERT_EQ(pairs.size(), 3u);
  EXPECT_EQ(pairs[0]["other"], "a c");
  EXPECT_EQ(pairs[1]["text"], "x30");
  EXPECT_NEAR(pairs[1]["score"].get<double>(), 1, 1e-6);
  expect_fault(run_heed({"similar", "-", "--pairs", "--model", path("model"), "--quiet"},
                        {.input = "a\nb\nc\n"}),
               "two texts a pair, found 3");
}

TEST_F(Search, WhatIsNoIndexIsRefused) {
  expect_fault(search("query", {"a"}), path("index"));
  expect_fault(run_heed({"search", "--quiet", "index", path("texts"), file("play.txt"), "--model",
                         path("model")}),
               "is no index and not empty");
  ASSERT_EQ(make().status, 0);
  write_file(folder_ / "index/index.json", "{");
  expect_fault(search("query", {"a"}), "index.json");
}

TEST_F(Search, SimilarTextsComeNearestFirst) {
  const auto similar = [&](std::vector<std::string> more, const Invocation& how = {}) {
    more.insert(more.begin(), {"similar", "--model", path("model")});
    return run_heed(more, how);
  };
  const auto lines = lines_in(similar({"a b c", "x30 x31", "a b c", "a b d", "--json"}).out);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0]["corpus_id"], 1);
  EXPECT_EQ(lines[0]["text"], "a b c");
  EXPECT_EQ(lines[0]["other"], "a b c");
  EXPECT_NEAR(lines[0]["score"].get<double>(), 1, 1e-6);
  EXPECT_GE(lines[1]["score"].get<double>(), lines[2]["score"].get<double>());
  const auto few = lines_in(similar({"-", "--json", "--top-k", "1"}, {.input = "q\nw\nq\n"}).out);
  ASSERT_EQ(few.size(), 1u);
  EXPECT_EQ(few[0]["corpus_id"], 1);
  const auto pairs = lines_in(similar({"a", "a", "a", "x30", "--pairs", "--json"}).out);
  ASSERT_EQ(pairs.size(), 2u);
  EXPECT_NEAR(pairs[0]["score"].get<double>(), 1, 1e-6);
  EXPECT_LT(pairs[1]["score"].get<double>(), 1);
  EXPECT_FALSE(pairs[1].contains("corpus_id"));
  std::string long_text;
  for (int word = 0; word < 2000; ++word) long_text += "a ";
  constexpr const char* kCut = "cut 1 of 2 texts, longer than the";
  EXPECT_NE(similar({"a", long_text}).err.find(kCut), std::string::npos);
  EXPECT_NE(similar({"a", long_text, "--pairs"}).err.find(kCut), std::string::npos);
  expect_fault(similar({"a"}), "at least two texts, found 1");
  expect_fault(similar({"a", "b", "c", "--pairs"}), "two texts a pair, found 3");
  expect_fault(run_heed({"similar", "a", "b", "--model", (golden_folder() / "t5_relu").string()}),
               "as an encoder");
}

}  // namespace
}  // namespace heed::testing
