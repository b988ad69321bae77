#include <gtest/gtest.h>

#include <csignal>
#include <sstream>

#include "heed/io/json.h"
#include "heed/io/npy.h"
#include "tests/e2e/program.h"

namespace heed::testing {
namespace {

const std::vector<std::string> kLessons = {"bank",      "spotlight", "library",  "journey",
                                           "scratch",   "cross",     "heads",    "causal",
                                           "positions", "block",     "training", "recurrent"};

void expect_fault(const std::vector<std::string>& arguments, const std::string& part) {
  const Result result = run_heed(arguments);
  EXPECT_EQ(result.status, 2) << part;
  EXPECT_TRUE(result.out.empty()) << result.out;
  EXPECT_EQ(result.err.find('\n'), result.err.size() - 1) << result.err;
  EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
}

TEST(Explain, ListsEveryLessonOnALine) {
  const Result list = run_heed({"explain"});
  EXPECT_EQ(list.status, 0);
  for (const std::string& name : kLessons) {
    EXPECT_NE(("\n" + list.out).find("\n" + name + " "), std::string::npos) << list.out;
  }
}

TEST(Explain, EveryLessonFitsEightyColumns) {
  for (const std::string& name : kLessons) {
    const Result lesson = run_heed({"explain", name}, {.environment = {{"COLUMNS", "80"}}});
    EXPECT_EQ(lesson.status, 0) << lesson.err;
    EXPECT_TRUE(lesson.err.empty()) << lesson.err;
    EXPECT_EQ(lesson.out.find('\033'), std::string::npos) << "colours in a file";
    std::istringstream lines(lesson.out);
    for (std::string line; std::getline(lines, line);) {
      size_t columns = 0;
      for (const char c : line) columns += (static_cast<unsigned char>(c) & 0xC0) != 0x80;
      EXPECT_LE(columns, 80U) << name << ": " << line;
    }
  }
}

TEST(Explain, JsonHoldsEveryStep) {
  const Result lesson = run_heed({"explain", "bank", "--json"});
  const Json json = parse_json(lesson.out, "explain --json");
  EXPECT_EQ(json["lesson"], "bank");
  bool found = false;
  for (const Json& step : json["steps"]) {
    for (const char* key : {"name", "formula", "shape", "values", "says"}) {
      EXPECT_TRUE(step.contains(key)) << key;
    }
    EXPECT_EQ(step["shape"][0], step["values"].size());
    EXPECT_EQ(step["shape"][1], step["values"][0].size());
    if (step["name"] != "weights") continue;
    found = true;
    EXPECT_NEAR(step["values"][0][0].get<double>(), 0.617748, 1e-6);
  }
  EXPECT_TRUE(found);
}

TEST(Explain, SavesTheHeatMaps) {
  const TemporaryFolder folder;
  for (const char* ending : {"png", "svg", "pdf", "html", "json", "csv", "npy"}) {
    const std::string file = (folder / (std::string("bank.") + ending)).string();
    const Result saved = run_heed({"explain", "bank", "--save", file, "--theme", "light"});
    EXPECT_EQ(saved.status, 0) << saved.err;
    EXPECT_EQ(saved.err, "heed: wrote " + file + "\n");
    EXPECT_GT(std::filesystem::file_size(file), 10U) << ending;
  }
  expect_fault({"explain", "bank", "--save", (folder / "bank.gif").string()}, ".png");
}

TEST(Explain, DrawsCurvesOfTheRecording) {
  const TemporaryFolder folder;
  const std::string file = (folder / "curves.svg").string();
  const Result saved = run_heed({"explain", "recurrent", "--save", file, "--json"});
  EXPECT_EQ(saved.status, 0) << saved.err;
  const std::string svg = read_file(file);
  EXPECT_NE(svg.find(">GRU+attention</text>"), std::string::npos);
  EXPECT_NE(svg.find(">words copied</text>"), std::string::npos);
  EXPECT_NE(svg.find("<polyline"), std::string::npos);
  EXPECT_EQ(parse_json(saved.out, "explain --json")["lesson"], "recurrent");
}

TEST(Explain, RunEndsAtCtrlC) {
  Process program({HEED_PROGRAM, "explain", "recurrent", "--run"}, {});
  ASSERT_TRUE(wait_until([&] { return program.handles(SIGINT); }));
  kill(program.id(), SIGINT);
  const Result result = program.wait();
  EXPECT_EQ(result.status, 130);
  EXPECT_EQ(result.err, "heed: interrupted\n");
  EXPECT_TRUE(result.out.empty());
}

TEST(Explain, WalksThroughOnesOwnNumbers) {
  const TemporaryFolder folder;
  const std::string input = (folder / "vectors.csv").string();
  write_file(input, "word,a,b\nriver,0.9,0.1\nbank,.8,.2\nmoney,.1,.9\n");
  const std::string matrix = (folder / "w.npy").string();
  write_npy(matrix, Tensor::from({1, 0, 0, 1}, {2, 2}));
  const Result walk = run_heed({"explain", "attention", "--input", input, "--wq", matrix, "--wk",
                                matrix, "--wv", matrix, "--causal", "--scale", "none", "--json"});
  ASSERT_EQ(walk.status, 0) << walk.err;
  const Json json = parse_json(walk.out, "explain --json");
  for (const Json& step : json["steps"]) {
    if (step["name"] == "raw scores") {
      EXPECT_EQ(step["rows"], Json({"river", "bank", "money"}));
      EXPECT_NEAR(step["values"][1][0].get<double>(), 0.74, 1e-6);
    }
    if (step["name"] == "scores") {
      EXPECT_TRUE(step["values"][0][1].is_null()) << "-inf";
    }
  }
}

TEST(Explain, ReadsTablesAsPeopleWriteThem) {
  const auto values = [](const std::string& csv) {
    const Result walk =
        run_heed({"explain", "attention", "--input", "-", "--json"}, {.input = csv});
    EXPECT_EQ(walk.status, 0) << walk.err;
    return parse_json(walk.out, "explain --json")["steps"][0];
  };
  EXPECT_EQ(values("1,2\n3,4\n")["values"], Json({{1, 2}, {3, 4}}));
  EXPECT_EQ(values("a,b\r\n1, +2\r\n3,4e0\r\n\r\n")["columns"], Json({"a", "b"}));
  EXPECT_EQ(values("x,1,2\ny,3,4\n")["rows"], Json({"x", "y"}));
  const Json numbered = values(",a,b\n7,1,2\n8,3,4\n");  // an empty heading: labels, not numbers
  EXPECT_EQ(numbered["rows"], Json({"7", "8"}));
  EXPECT_EQ(numbered["values"], Json({{1, 2}, {3, 4}}));
  EXPECT_EQ(values("\xEF\xBB\xBF"
                   "1,2\n3,4\n")["values"],
            Json({{1, 2}, {3, 4}}));
  EXPECT_EQ(values("only\n1\n2\n")["shape"], Json({2, 1}));
}

TEST(Explain, FaultsAreNamed) {
  const TemporaryFolder folder;
  const auto file = [&](const std::string& name, const std::string& content) {
    write_file(folder / name, content);
    return (folder / name).string();
  };
  const auto expect_input_fault = [&](const std::string& content, const std::string& part) {
    expect_fault({"explain", "attention", "--input", file("bad.csv", content)}, part);
  };
  expect_fault({"explain", "bnak"}, "did you mean bank?");
  expect_fault({"explain", "qqqqqqqq"}, "the lessons are bank, spotlight");
  expect_fault({"explain", "attention"}, "--input");
  expect_fault({"explain", "bank", "--input", "x.csv"}, "--input");
  expect_fault({"explain", "bank", "--theme", "blue"}, "light");
  expect_fault({"explain", "bank", "--run"}, "--run belongs to the lesson recurrent");
  expect_fault({"explain", "recurrent", "--seed", "1"}, "--run");
  expect_fault({"explain", "attention", "--input", "/nowhere.csv"}, "/nowhere.csv");
  expect_input_fault("1,2\n3\n", "line 2: needed 2 cells as in line 1, found 1");
  expect_input_fault("a,b\n1,2\n3,x\n", "line 3, column 2: needed a finite number, found 'x'");
  expect_input_fault("1,nan\n", "line 1, column 2");
  expect_input_fault("a,b\n", "only names");
  expect_input_fault("", "needed rows of numbers");
  expect_input_fault("1e30,2\n3,4\n", "products fit f32");
  const std::string good = file("good.csv", "1,2,3\n4,5,6\n");
  expect_fault({"explain", "attention", "--input", good, "--heads", "2"}, "2 heads must divide");
  expect_fault({"explain", "attention", "--input", good, "--wq", good}, "W_q must be [C=3, D]");
  expect_fault({"explain", "attention", "--input", good, "--scale", "big"}, "--scale");
}

}  // namespace
}  // namespace heed::testing
