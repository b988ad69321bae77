// heed forward and heed embed as a user runs them, on a small random BERT.

#include <gtest/gtest.h>

#include <fstream>

#include "heed/io/npy.h"
#include "tests/e2e/program.h"
#include "tests/golden.h"

namespace heed::testing {
namespace {

/// bert_7x8 (11 positions, 23 words, with a pooler) with a vocabulary of letters.
class Model {
 public:
  Model() {
    std::filesystem::copy(golden_folder() / "bert_7x8", folder_.path(),
                          std::filesystem::copy_options::recursive);
    std::ofstream vocab(folder_ / "vocab.txt");
    vocab << "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
    for (char c = 'a'; c <= 'r'; ++c) vocab << c << '\n';
  }
  std::string file(const std::string& name) const { return folder_ / name; }
  std::string write(const std::string& name, const std::string& content) const {
    std::ofstream(file(name)) << content;
    return file(name);
  }
  /// heed COMMAND --model THIS ARGUMENTS.
  Result run(const std::string& command, std::vector<std::string> arguments) const {
    arguments.insert(arguments.begin(), {command, "--model", folder_.path().string()});
    return run_heed(arguments);
  }

 private:
  TemporaryFolder folder_;
};

void expect_fault(const Result& result, const std::string& part) {
  EXPECT_EQ(result.status, 2) << result.err;
  EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
  EXPECT_EQ(std::ranges::count(result.err, '\n'), 1) << result.err;
}

TEST(Forward, GivesTheArraysUnderTheirNames) {
  const Model model;
  const Golden expected("bert_7x8/expected.safetensors");
  Json ids = Json::array(), types = Json::array();
  for (int64_t b = 0; b < expected["lengths"].numel(); ++b) {
    const int64_t length = expected["lengths"].span<int32_t>()[static_cast<size_t>(b)];
    const auto row = [&](const char* name) {
      const auto values = expected[name].select(0, b).span<int32_t>();
      return std::vector<int32_t>(values.begin(), values.begin() + length);
    };
    ids.push_back(row("input_ids"));
    types.push_back(row("token_type_ids"));
  }
  const std::string save = model.file("out.npz");
  const Result result =
      model.run("forward", {"--ids", model.write("ids.json", ids.dump()), "--token-types",
                            model.write("types.json", types.dump()), "--want",
                            "last_hidden_state,hidden_states,attentions,pooler_output", "--save",
                            save, "--json"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(parse_json(result.out, "stdout")["shapes"]["hidden_states"], Json({4, 4, 11, 56}));
  const NamedTensors arrays = read_npz(save);
  expect_close(find_tensor(arrays, "hidden_states"), expected["hidden_states"], 2e-5,
               "hidden_states");
  expect_close(find_tensor(arrays, "attentions"), expected["attentions"], 1e-5, "attentions");
  expect_close(find_tensor(arrays, "pooler_output"), expected["pooler_output"], 2e-5,
               "pooler_output");
  EXPECT_EQ(find_tensor(arrays, "input_ids").dtype(), DType::i64);
  EXPECT_EQ(find_tensor(arrays, "attention_mask").at<int64_t>({3, 3}), 1);
  EXPECT_EQ(find_tensor(arrays, "attention_mask").at<int64_t>({3, 4}), 0);
}

TEST(Forward, PadSideMovesThePadding) {
  const Model model;
  const std::string ids = model.write("ids.json", "[[2, 7, 8, 3], [2, 3]]");
  const std::string right = model.file("right.npz"), left = model.file("left.npz");
  ASSERT_EQ(model.run("forward", {"--ids", ids, "--save", right}).status, 0);
  ASSERT_EQ(model.run("forward", {"--ids", ids, "--pad-side", "left", "--save", left}).status, 0);
  const NamedTensors at_right = read_npz(right), at_left = read_npz(left);
  EXPECT_EQ(find_tensor(at_left, "attention_mask").at<int64_t>({1, 0}), 0);
  EXPECT_EQ(find_tensor(at_left, "input_ids").at<int64_t>({1, 3}), 3);
  expect_same_bits(find_tensor(at_right, "last_hidden_state").select(0, 1).slice(0, 0, 2),
                   find_tensor(at_left, "last_hidden_state").select(0, 1).slice(0, 2, 4), "states");
}

TEST(Forward, FaultsAreOneLine) {
  const Model model;
  const std::string long_text = "a b c d e f g h i j k l";
  expect_fault(model.run("forward", {long_text}), "14 tokens, but the model has 11 positions");
  EXPECT_EQ(model.run("forward", {long_text, "--truncate"}).status, 0);
  const Json row(std::vector<int>(14, 2)), types(std::vector<int>(14, 0));
  const Result cut = model.run(
      "forward", {"--ids", model.write("long.json", Json::array({row}).dump()), "--token-types",
                  model.write("types.json", Json::array({types}).dump()), "--truncate", "--json"});
  EXPECT_EQ(parse_json(cut.out, "stdout")["shapes"]["input_ids"], Json::array({1, 11})) << cut.err;
  expect_fault(model.run("forward", {"a", "--want", "logits"}), "logits need");
  expect_fault(model.run("forward", {"a", "--want", "lgits"}), "'lgits'");
  expect_fault(model.run("forward", {"a", "--save", "out.txt"}), ".npz");
  expect_fault(model.run("forward", {"a", "--decoder-ids", "x.json"}), "encoder-decoder");
  expect_fault(model.run("forward", {"--ids", model.file("none.json")}), "none.json");
  for (const char* bad : {"[", "{}", "[1]", "[[1.5]]", "[[-1]]", "[[4294967296]]", "[[\"a\"]]"}) {
    const std::string file = model.write("bad.json", bad);
    expect_fault(model.run("forward", {"--ids", file}), "bad.json");
  }
  expect_fault(model.run("forward", {"--ids", model.write("big.json", "[[23]]")}), "23");
  expect_fault(model.run("forward", {"--ids", model.write("empty.json", "[[]]")}),
               "empty.json: needed rows of at least one token id, found none in row 1 of 1");
  expect_fault(
      model.run("forward", {"--ids", model.write("none.json", "[]")}),
      "none.json: must be a list of lists of token ids, such as [[101, 102]]; there is no row");
  expect_fault(model.run("forward", {"a", "--want", "attentions,attentions"}),
               "--want: needed each name once, found 'attentions' twice");
  expect_fault(model.run("forward", {"a", "--ids", model.file("none.json")}), "not both");
  expect_fault(run_heed({"forward", "a", "--model", model.file("nowhere")}), "nowhere");
  EXPECT_FALSE(std::filesystem::exists("out.txt"));
}

TEST(Embed, EveryFormatHoldsTheSameNumbers) {
  const Model model;
  const std::vector<std::string> texts = {"a, \"b\"", "c d e", ""};
  const Result lines = model.run("embed", {texts[0], texts[1], texts[2], "--json", "--quiet"});
  ASSERT_EQ(lines.status, 0) << lines.err;
  EXPECT_EQ(lines.err, "");
  for (const char* ending : {".npy", ".jsonl", ".json", ".csv", ".txt"}) {
    const std::string save = model.file("vectors" + std::string(ending));
    const Result saved = model.run("embed", {texts[0], texts[1], texts[2], "--save", save});
    ASSERT_EQ(saved.status, 0) << saved.err;
    EXPECT_EQ(saved.out, "");
    EXPECT_GT(std::filesystem::file_size(save), 3U * 56 * 4);
  }
  EXPECT_EQ(read_file(model.file("vectors.jsonl")), lines.out);
  const Tensor vectors = read_npy(model.file("vectors.npy"));
  const Json array = read_json(model.file("vectors.json"));
  ASSERT_EQ(array.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(array[i]["text"], texts[i]);
    const auto numbers = array[i]["vector"].get<std::vector<float>>();
    expect_same_bits(vectors.select(0, static_cast<int64_t>(i)), Tensor::from(numbers, {56}),
                     texts[i]);
  }
  EXPECT_NE(read_file(model.file("vectors.csv")).find("\n\"a, \"\"b\"\"\","), std::string::npos);
}

TEST(Embed, TellsWhatWasCut) {
  const Model model;
  const Result result = model.run("embed", {"a", "a b c d e f g h i j k l", "--json"});
  EXPECT_EQ(result.status, 0);
  EXPECT_NE(result.err.find("first 11 tokens of text 2"), std::string::npos) << result.err;
  EXPECT_NE(result.out.find("\"tokens\":11,\"truncated\":true"), std::string::npos);
}

TEST(Embed, FaultsAreOneLine) {
  const Model model;
  expect_fault(model.run("embed", {"a", "--save", "x.xyz", "--quiet"}), ".npy");
  expect_fault(model.run("embed", {"a", "--save", "/nowhere/x.npy", "--quiet"}), "/nowhere");
  expect_fault(model.run("embed", {"a", "--pooling", "median"}), "median");
  expect_fault(model.run("embed", {"--quiet"}), "no text");
}

}  // namespace
}  // namespace heed::testing
