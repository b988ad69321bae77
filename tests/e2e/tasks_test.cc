// classify, ner, fill and answer as a user runs them, on small random encoders.

#include <gtest/gtest.h>

#include <fstream>

#include "heed/base/file.h"
#include "heed/io/csv.h"
#include "tests/e2e/program.h"
#include "tests/golden.h"

namespace heed::testing {
namespace {

std::string model(const char* name) { return (golden_folder() / name).string(); }

std::vector<Json> lines_in(const std::string& out) {
  std::vector<Json> lines;
  for (const std::string_view line : lines_of(out)) lines.push_back(parse_json(line, "stdout"));
  return lines;
}

std::string write_file(const std::filesystem::path& path, const std::string& content) {
  std::ofstream(path) << content;
  return path.string();
}

void expect_fault(const Result& result, const std::string& part) {
  EXPECT_EQ(result.status, 2) << result.err;
  EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
  EXPECT_EQ(std::ranges::count(result.err, '\n'), 1) << result.err;
}

TEST(Tasks, ClassesOfAFileKeepItsOrder) {
  const TemporaryFolder folder;
  std::string rows = "id,review\n";
  for (int i = 0; i < 300; ++i) {
    rows += std::to_string(i) + ",\"" + std::string(static_cast<size_t>(i % 7), 'a') + ", bad\"\n";
  }
  const std::string in = write_file(folder / "in.csv", rows);
  const std::vector<std::string> call = {
      "classify", "--file", in, "--field", "review", "--model", model("encoder_bert_classify"),
      "--batch",  "4"};
  auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), call.begin(), call.end());
    return run_heed(more);
  };
  const Result plain = with({"--json", "--top-k", "0"});
  ASSERT_EQ(plain.status, 0) << plain.err;
  const std::vector<Json> lines = lines_in(plain.out);
  ASSERT_EQ(lines.size(), 300u);
  for (size_t i = 7; i < lines.size(); ++i) EXPECT_EQ(lines[i], lines[i - 7]) << i;
  EXPECT_EQ(lines[3]["text"], "aaa, bad");
  EXPECT_EQ(lines[3]["labels"].size(), 4u);
  EXPECT_EQ(lines[3]["labels"][0]["score"], lines[3]["score"]);
  for (const char* name : {"out.csv", "out.jsonl", "out.json", "OUT.CSV", "OUT.Json"}) {
    const Result saved = with({"--save", (folder / name).string()});
    ASSERT_EQ(saved.status, 0) << saved.err;
    EXPECT_EQ(saved.out, "");
  }
  const auto csv = parse_csv(read_file(folder / "out.csv"), "out.csv");
  ASSERT_EQ(csv.size(), 301u);
  EXPECT_EQ(csv[0].cells, (std::vector<std::string>{"text", "label", "score"}));
  EXPECT_EQ(csv[4].cells[1], lines[3]["label"]);
  EXPECT_EQ(read_json(folder / "out.json")[3]["label"], lines[3]["label"]);
  EXPECT_EQ(read_file(folder / "OUT.CSV"), read_file(folder / "out.csv"));
  EXPECT_EQ(read_file(folder / "OUT.Json"), read_file(folder / "out.json"));
  EXPECT_EQ(lines_in(read_file(folder / "out.jsonl")).size(), 300u);
  expect_fault(with({"--save", (folder / "out.xml").string()}), ".jsonl, .json or .csv");
}

TEST(Tasks, PairsAreJudgedTogether) {
  const TemporaryFolder folder;
  const auto run = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"classify", "--model", model("encoder_bert_classify")});
    return run_heed(more);
  };
  const auto lines = lines_in(run({"bad", "fig", "--pair", "jade.", "--json"}).out);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[1]["text"], "fig");
  EXPECT_EQ(lines[1]["text_pair"], "jade.");
  EXPECT_NE(lines[0]["score"], lines_in(run({"bad", "--json"}).out).at(0)["score"]);
  const std::string rows =
      write_file(folder / "rows.csv", "claim,text\njade.,bad\njade.,fig\ncab,fig\n");
  const std::vector<std::string> of_file = {"--file", rows, "--pair-field", "claim"};
  auto call = of_file;
  call.emplace_back("--json");
  const auto both = lines_in(run(call).out);
  ASSERT_EQ(both.size(), 3u);
  EXPECT_EQ(both[1], lines[1]);
  EXPECT_NE(both[2]["score"], both[1]["score"]);
  call = of_file;
  call.insert(call.end(), {"--save", (folder / "out.csv").string()});
  ASSERT_EQ(run(call).status, 0);
  const auto saved = parse_csv(read_file(folder / "out.csv"), "out.csv");
  EXPECT_EQ(saved.at(0).cells, (std::vector<std::string>{"text", "text_pair", "label", "score"}));
  EXPECT_EQ(saved.at(2).cells[1], "jade.");
  EXPECT_NE(run({"bad", "--pair", "fig"}).out.find("bad | fig"), std::string::npos);
  expect_fault(run({"bad", "--pair-field", "claim"}), "--pair TEXT");
  expect_fault(run({"--file", write_file(folder / "rows.txt", "bad\n"), "--pair-field", "claim"}),
               ".jsonl or .csv");
  expect_fault(run({"--file", rows, "--pair-field", "other"}), "other");
}

TEST(Tasks, AnEmptyTextIsACellOfItsLine) {
  const TemporaryFolder folder;
  const std::string in = write_file(folder / "in.txt", "bad\n\nfig\n");
  const std::string out = (folder / "out.csv").string();
  const Result result = run_heed(
      {"classify", "--file", in, "--model", model("encoder_bert_classify"), "--save", out});
  ASSERT_EQ(result.status, 0) << result.err;
  const auto rows = parse_csv(read_file(out), "out.csv");
  ASSERT_EQ(rows.size(), 4u);
  for (const CsvRow& row : rows) EXPECT_EQ(row.cells.size(), 3u);
  EXPECT_EQ(rows[2].cells[0], "");
}

TEST(Tasks, StandardInputIsReadAsItComes) {
  const std::vector<std::string> call = {"classify", "-", "--json", "--model",
                                         model("encoder_bert_classify")};
  const Result result = run_heed(call, {.input = "\xEF\xBB\xBF"
                                                 "bad\r\n\nfig"});
  ASSERT_EQ(result.status, 0) << result.err;
  const std::vector<Json> lines = lines_in(result.out);
  ASSERT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines[0]["text"], "bad");
  EXPECT_EQ(lines[1]["text"], "");
  EXPECT_EQ(lines[2]["text"], "fig");
  expect_fault(run_heed(call, {.input = ""}), "found none");
}

TEST(Tasks, ALinesAnswerComesBeforeTheNextLineIsWritten) {
  const auto talk_to = [](const std::string& command) {
    const TemporaryFolder folder;
    const std::string talk =
        "cd " + folder.path().string() + " && mkfifo to from && (\"$HEED\" " + command +
        " < to > from &) && exec 4> to 5< from && echo bad >&4 && read -r first <&5 && "
        "echo \"first $first\" && echo fig >&4 && exec 4>&- && cat <&5";
    const Result result = run_shell("timeout 60 sh -c '" + talk + "'");
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_NE(result.out.find("fig"), std::string::npos) << result.out;
    return result.out;
  };
  const std::string classes = talk_to("classify - --model " + model("encoder_bert_classify"));
  EXPECT_TRUE(classes.starts_with("first 0.")) << classes;
  const std::string answers =
      talk_to("answer - --context \"cab bad\" --json --model " + model("encoder_bert_answer"));
  EXPECT_TRUE(answers.starts_with("first {\"question\":\"bad\"")) << answers;
}

TEST(Tasks, NamesHaveThePipelinesFields) {
  const std::string text = "jade fig \u00e9 cab bad jadeed. bad fig";
  const auto run = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"ner", text, "--model", model("encoder_bert_tag")});
    return run_heed(more);
  };
  const Json grouped = lines_in(run({"--json"}).out).at(0);
  EXPECT_EQ(grouped["text"], text);
  ASSERT_FALSE(grouped["entities"].empty());
  for (const char* field : {"entity_group", "score", "word", "start", "end", "byte_start"}) {
    EXPECT_TRUE(grouped["entities"][0].contains(field)) << field;
  }
  const Json pieces = lines_in(run({"--json", "--aggregation", "none"}).out).at(0);
  EXPECT_TRUE(pieces["entities"][0].contains("index"));
  EXPECT_TRUE(pieces["entities"][0].contains("entity"));
  const TemporaryFolder folder;
  for (const char* name : {"names.html", "NAMES.HTML"}) {
    const Result page = run({"--save", (folder / name).string()});
    ASSERT_EQ(page.status, 0) << page.err;
    EXPECT_NE(read_file(folder / name).find("<mark style"), std::string::npos);
  }
  EXPECT_NE(run({}).out.find("[0, 4)"), std::string::npos);
  expect_fault(run({"--save", (folder / "none" / "names.html").string()}), "does not exist");
  expect_fault(run({"--save", "names.png"}), "the ending must be .html, .jsonl, .json or .csv");
}

TEST(Tasks, ALongTextIsReadWholeWithAStride) {
  std::string text;
  for (int i = 0; i < 40; ++i) text += "bad fig cab jade. ";
  const std::vector<std::string> call = {"ner", text, "--json", "--model",
                                         model("encoder_bert_tag")};
  const Result cut = run_heed(call);
  EXPECT_NE(cut.err.find("37 tokens"), std::string::npos) << cut.err;
  std::vector<std::string> whole_call = call;
  whole_call.insert(whole_call.end(), {"--stride", "8"});
  const Result whole = run_heed(whole_call);
  ASSERT_EQ(whole.status, 0) << whole.err;
  const auto last = [](const Result& result) {
    const Json entities = lines_in(result.out).at(0)["entities"];
    return entities.back()["end"].get<int64_t>();
  };
  EXPECT_LT(last(cut), 170);
  EXPECT_GT(last(whole), 650);
}

TEST(Tasks, ARunTellsOnceOfWhatWasCutAndOfTargets) {
  const TemporaryFolder folder;
  std::string texts, masks;
  for (int i = 0; i < 20; ++i) {  // eight a part
    for (int word = 0; word < (i % 2 == 0 ? 50 : 3); ++word) texts += "a ";
    texts += "b\n";
    masks += "a [MASK]\n";
  }
  const std::string in = write_file(folder / "in.txt", texts);
  const auto run = [&](const char* task, const char* name, std::vector<std::string> more) {
    more.insert(more.begin(), {task, "--batch", "1", "--model", model(name), "--file"});
    const Result got = run_heed(more);
    EXPECT_EQ(got.status, 0) << got.err;
    EXPECT_EQ(std::ranges::count(got.err, '\n'), 1) << got.err;
    return got.err;
  };
  constexpr const char* kCut = "cut 10 of 20 texts, longer than the 37 tokens";
  EXPECT_NE(run("classify", "encoder_bert_classify", {in}).find(kCut), std::string::npos);
  EXPECT_NE(run("ner", "encoder_bert_tag", {in}).find(kCut), std::string::npos);
  run("fill", "encoder_bert_fill",
      {write_file(folder / "masks.txt", masks), "--targets", "badfig"});
}

TEST(Tasks, WordsAreFilledIn) {
  const auto run = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"fill", "--model", model("encoder_bert_fill")});
    return run_heed(more);
  };
  const auto lines =
      lines_in(run({"bad [MASK] cab", "[MASK] a [MASK]", "--top-k", "3", "--json"}).out);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["fillings"].size(), 3u);
  EXPECT_TRUE(lines[0]["fillings"][0].contains("token_str"));
  EXPECT_EQ(lines[1]["fillings"].size(), 2u);
  EXPECT_EQ(lines[1]["fillings"][1].size(), 3u);
  const auto few = lines_in(run({"--json", "--targets", "bad,fig", "a [MASK]"}).out);
  EXPECT_EQ(few[0]["fillings"].size(), 2u);
  expect_fault(run({"bad"}), "[MASK]");
  expect_fault(run_heed({"fill", "a", "--model", model("encoder_bert_tag")}), "ForMaskedLM");
}

TEST(Tasks, QuestionsAreAnswered) {
  const TemporaryFolder folder;
  const std::string context = "jade fig \u00e9 cab bad jadeed. bad fig abcdefg, hij cabed";
  const auto run = [&](std::vector<std::string> more) {
    more.insert(more.begin(), {"answer", "--model", model("encoder_bert_answer")});
    return run_heed(more);
  };
  const Json one = lines_in(run({"bad fig?", "--context", context, "--json"}).out).at(0);
  EXPECT_EQ(one["question"], "bad fig?");
  EXPECT_EQ(context.substr(one["byte_start"],
                           one["byte_end"].get<size_t>() - one["byte_start"].get<size_t>()),
            one["answer"]);
  const std::string file = write_file(folder / "context.txt", context);
  const Json several =
      lines_in(run({"bad fig?", "--in", file, "--json", "--top-k", "3"}).out).at(0);
  EXPECT_EQ(several["answers"].size(), 3u);
  EXPECT_EQ(several["answer"], one["answer"]);
  const std::string pairs = write_file(folder / "pairs.jsonl",
                                       "{\"question\": \"a\", \"context\": \"cab\"}\n"
                                       "{\"question\": \"bad fig?\", \"context\": \"" +
                                           context + "\"}\n");
  const auto both = lines_in(run({"--file", pairs, "--context-field", "context", "--json"}).out);
  ASSERT_EQ(both.size(), 2u);
  EXPECT_EQ(both[0]["answer"], "cab");
  EXPECT_EQ(both[1], one);
  expect_fault(run({"a"}), "--context");
  expect_fault(run({"a", "--context", "b", "--in", file}), "found several of them");
  const std::string empty = write_file(folder / "empty.txt", "");
  expect_fault(run({"a", "--in", empty}), "empty.txt: needed a text, found none");
  expect_fault(run({"a", "--context", "b", "--max-seq-len", "4"}), "windows of 4");
  expect_fault(run({"--file", file, "--context-field", "context"}), ".jsonl or .csv");
  expect_fault(run_heed({"answer", "-", "--in", "-", "--model", model("encoder_bert_answer")},
                        {.input = "a\n"}),
               "not both");
}

TEST(Tasks, InspectNamesTheCommandsOfAHead) {
  const auto commands = [](const char* name) {
    return lines_in(run_heed({"inspect", model(name), "--json"}).out).at(0)["commands"].dump();
  };
  EXPECT_NE(commands("encoder_roberta_classify").find("classify"), std::string::npos);
  EXPECT_NE(commands("encoder_roberta_tag").find("ner"), std::string::npos);
  EXPECT_NE(commands("encoder_bert_fill").find("fill"), std::string::npos);
  EXPECT_NE(commands("encoder_bert_answer").find("answer"), std::string::npos);
}

}  // namespace
}  // namespace heed::testing
