// heed attend as a user runs it.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "heed/io/npy.h"
#include "heed/ops/attention_backward.h"
#include "heed/ops/attention_report.h"
#include "tests/e2e/program.h"
#include "tests/golden.h"

namespace heed::testing {
namespace {

constexpr int64_t B = 2, H = 4, G = 2, T = 9, S = 13, D = 8, E = 6;

Tensor waves(const Shape& shape, float step) {
  const Tensor x = Tensor::empty(shape);
  float at = 0;
  for (float& value : x.span<float>()) value = 2 * std::sin(at += step);
  return x;
}

template <class T>
Tensor list(const std::vector<T>& values) {
  return Tensor::from(values, {static_cast<int64_t>(values.size())});
}

/// A folder with q, k and v, in which heed attend is run.
class Attend : public ::testing::Test {
 protected:
  Attend() { write_all(DType::f32); }

  void write_all(DType dtype) {
    write("q.npy", q.to(dtype));
    write("k.npy", k.to(dtype));
    write("v.npy", v.to(dtype));
  }
  void write(const std::string& name, const Tensor& array) const {
    write_npy(folder_ / name, array);
  }
  Tensor read(const std::string& name) const { return read_npy(folder_ / name); }
  std::string file(const std::string& name) const { return folder_ / name; }

  /// heed attend q.npy k.npy v.npy ARGUMENTS, names of files being in the folder.
  Result attend(const std::vector<std::string>& arguments) const {
    std::vector<std::string> command{"attend", file("q.npy"), file("k.npy"), file("v.npy")};
    for (const std::string& argument : arguments) {
      const bool is_file = argument.ends_with(".npy") || argument.ends_with(".npz");
      command.push_back(is_file ? file(argument) : argument);
    }
    return run_heed(command);
  }
  /// y of heed attend ARGUMENTS.
  Tensor y_of(std::vector<std::string> arguments) const {
    arguments.insert(arguments.end(), {"--y", "y.npy"});
    const Result result = attend(arguments);
    EXPECT_EQ(result.status, 0) << result.err;
    return result.status == 0 ? read("y.npy") : Tensor::empty({0});
  }
  void expect_fault(const std::vector<std::string>& arguments, const std::string& part) const {
    const Result result = attend(arguments);
    EXPECT_EQ(result.status, 2) << result.err;
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
    EXPECT_EQ(std::ranges::count(result.err, '\n'), 1) << result.err;
    EXPECT_EQ(result.out, "");
  }

  const Tensor q = waves({B, H, T, D}, 0.37F);
  const Tensor k = waves({B, G, S, D}, 0.53F);
  const Tensor v = waves({B, G, S, E}, 0.71F);
  TemporaryFolder folder_;
};

TEST_F(Attend, WritesWhatTheLibraryComputes) {
  const Result result =
      attend({"--scale", "0.7", "--softcap", "5", "--y", "y.npy", "--lse", "lse.npy", "--weights",
              "weights.npy", "--scores", "scores.npy", "--save", "all.npz"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(result.out,
            "y                f32 [2, 4, 9, 6]\n"
            "lse              f32 [2, 4, 9]\n"
            "weights          f32 [2, 4, 9, 13]\n"
            "scores           f32 [2, 4, 9, 13]\n");
  const AttentionOutputs out = attention_outputs(q, k, v, {.scale = 0.7F, .softcap = 5},
                                                 {.lse = true, .weights = true, .scores = true});
  expect_same_bits(read("y.npy"), out.y, "y");
  expect_same_bits(read("lse.npy"), out.lse, "lse");
  expect_same_bits(read("weights.npy"), out.weights, "weights");
  expect_same_bits(read("scores.npy"), out.scores, "scores");
  const NamedTensors saved = read_npz(folder_ / "all.npz");
  ASSERT_EQ(saved.size(), 4U);
  EXPECT_EQ(saved[0].first, "y");
  EXPECT_EQ(saved[1].first, "lse");
  EXPECT_EQ(saved[2].first, "weights");
  EXPECT_EQ(saved[3].first, "scores");
  expect_same_bits(saved[2].second, out.weights, "weights in all.npz");
}

TEST_F(Attend, MasksAreTheLibrarys) {
  const auto expect = [&](const std::vector<std::string>& arguments, const Mask& mask) {
    expect_same_bits(y_of(arguments), attention(q, k, v, {.mask = mask}), arguments.front());
  };
  expect({"--causal", "top-left"}, Mask::causal(Align::top_left));
  expect({"--causal", "bottom-right"}, Mask::causal(Align::bottom_right));
  write("offsets.npy", list<int64_t>({3, 0}));
  expect({"--causal", "offsets.npy"}, Mask::causal({3, 0}));
  expect({"--window", "2,-1"}, Mask::window(2, Mask::kOpen));
  expect({"--window", "-1,0"}, Mask::window(Mask::kOpen, 0));
  write("lengths.npy", list<int32_t>({13, 5}));
  expect({"--lengths", "lengths.npy"}, Mask::padding({13, 5}));
  expect({"--lengths", "lengths.npy", "--causal", "bottom-right"},
         Mask::padding({13, 5}) & Mask::causal(Align::bottom_right));
  const Tensor mask = Tensor::empty({T, S}, DType::boolean);
  for (int64_t i = 0; i < T * S; ++i) mask.data<bool>()[i] = i % 3 != 0;
  write("mask.npy", mask);
  expect({"--mask", "mask.npy"}, Mask::boolean(mask));
  Tensor bias = waves({B, 1, 1, S}, 1.3F);
  bias.at({0, 0, 0, 2}) = -std::numeric_limits<float>::infinity();
  write("bias.npy", bias);
  expect({"--bias", "bias.npy"}, Mask::additive(bias));
}

TEST_F(Attend, BiasesAndSinksAreTheLibrarys) {
  const Tensor heads = waves({H}, 0.9F);
  const Tensor table = waves({8, H}, 0.3F);
  write("heads.npy", heads);
  write("table.npy", table);
  expect_same_bits(y_of({"--alibi", "heads.npy"}), attention(q, k, v, {.alibi = heads}), "alibi");
  expect_same_bits(y_of({"--sinks", "heads.npy"}), attention(q, k, v, {.sinks = heads}), "sinks");
  expect_same_bits(y_of({"--t5-table", "table.npy"}),
                   attention(q, k, v, {.relative = {{table, false, 128}}}), "t5 of a decoder");
  expect_same_bits(
      y_of({"--t5-table", "table.npy", "--t5-bidirectional", "--t5-max-distance", "9"}),
      attention(q, k, v, {.relative = {{table, true, 9}}}), "t5");
}

TEST_F(Attend, SegmentsArePackedSequences) {
  write("q.npy", q.slice(0, 0, 1));
  write("k.npy", k.slice(0, 0, 1));
  write("v.npy", v.slice(0, 0, 1));
  write("cu_q.npy", list<int32_t>({0, 4, 9}));
  write("cu_k.npy", list<int32_t>({0, 7, 13}));
  expect_same_bits(
      y_of({"--segments-q", "cu_q.npy", "--segments-k", "cu_k.npy", "--causal", "bottom-right"}),
      attention(
          q.slice(0, 0, 1), k.slice(0, 0, 1), v.slice(0, 0, 1),
          {.mask = Mask::segments({0, 4, 9}, {0, 7, 13}) & Mask::causal(Align::bottom_right)}),
      "segments");
  write("back.npy", list<int32_t>({0, 8, 4, 9}));
  write("four.npy", list<int32_t>({0, 1, 2, 13}));
  expect_fault({"--segments-q", "back.npy", "--segments-k", "four.npy"},
               "needed query starts from 0 on, none below the one before, found 4 after 8");
  expect_fault({"--segments-q", "cu_q.npy", "--segments-k", "four.npy"},
               "needed as many starts of key segments as of query segments, found 4 and 3");
  expect_fault({"--segments-q", "cu_q.npy"}, "--segments-k");
  write("lengths.npy", list<int32_t>({13}));
  expect_fault({"--segments-q", "cu_q.npy", "--segments-k", "cu_k.npy", "--lengths", "lengths.npy"},
               "segments and lengths cannot be combined");
}

TEST_F(Attend, HalfPrecisionComesBackAsItWent) {
  write("slopes.npy", waves({H}, 0.9F));  // f32 whatever q is
  for (const DType dtype : {DType::f16, DType::bf16}) {
    write_all(dtype);
    std::vector<std::string> arguments{"--alibi", "slopes.npy"};
    if (dtype == DType::bf16) arguments.emplace_back("--bf16");
    const Tensor y = y_of(arguments);
    const Tensor expected =
        attention(q.to(dtype), k.to(dtype), v.to(dtype), {.alibi = waves({H}, 0.9F)}).contiguous();
    EXPECT_EQ(to_string(y.dtype()), dtype == DType::bf16 ? "u16" : "f16");
    EXPECT_EQ(
        std::memcmp(y.raw_data(), expected.raw_data(), static_cast<size_t>(expected.numel()) * 2),
        0);
  }
  expect_fault({}, "q: needed --bf16 to read uint16 as bf16");
}

TEST_F(Attend, EndingsAreTheSameInUpperCase) {
  for (const char* name : {"R.NPZ", "R.JSON", "R.Csv"}) {
    const Result result = attend({"--report", "max", "--save", (folder_ / name).string()});
    EXPECT_EQ(result.status, 0) << result.err;
  }
  EXPECT_FALSE(read_npz(folder_ / "R.NPZ").empty());
  EXPECT_TRUE(read_file(folder_ / "R.JSON").starts_with("{"));
  EXPECT_TRUE(read_file(folder_ / "R.Csv").starts_with("name,"));
}

TEST_F(Attend, TellsTheTimeAndTheShapes) {
  const Result result = attend({"--time", "--json"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_GT(parse_json(result.err, "stderr").at("ms").get<double>(), 0);
  EXPECT_EQ(std::ranges::count(result.err, '\n'), 1) << result.err;
  EXPECT_EQ(parse_json(result.out, "stdout")["shapes"]["y"], Json({2, 4, 9, 6}));
}

TEST_F(Attend, ReportsWhereItLooked) {
  const Result result =
      attend({"--causal", "bottom-right", "--report", "entropy,max,top3,received,map4,window2",
              "--tile", "2:5,0:7", "--save", "r.npz", "--weights", "weights.npy", "--y", "y.npy"});
  ASSERT_EQ(result.status, 0) << result.err;
  const Mask mask = Mask::causal(Align::bottom_right);
  const AttentionReport report = attention_report(
      q, k, v, {.mask = mask},
      {.entropy = true, .max = true, .received = true, .top = 3, .window = 2, .map = 4});
  EXPECT_NE(result.out.find("\nmax_key          i64 [2, 4, 9]\n"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find("\nentropy          f32 [2, 4, 9]: "), std::string::npos);
  const NamedTensors saved = read_npz(folder_ / "r.npz");
  const auto array = [&](const std::string& name) { return find_tensor(saved, name); };
  expect_same_bits(array("entropy"), report.entropy, "entropy");
  expect_same_bits(array("max_key"), report.max_key, "max_key");
  expect_same_bits(array("top3_weights"), report.top_weights, "top3_weights");
  expect_same_bits(array("top3_keys"), report.top_keys, "top3_keys");
  expect_same_bits(array("received"), report.received, "received");
  expect_same_bits(array("inside2"), report.inside, "inside2");
  expect_same_bits(array("map4_mean"), report.map.mean, "map4_mean");
  expect_same_bits(array("map4_row_edges"), report.map.row_edges, "map4_row_edges");
  expect_close(array("tile"), read("weights.npy").slice(2, 2, 5).slice(3, 0, 7), 1e-6, "tile");
  expect_same_bits(read("y.npy"), attention(q, k, v, {.mask = mask}), "y");
}

TEST_F(Attend, TellsRangesOfNumbersAlone) {
  const Tensor with_nan = q.to(DType::f32).clone();
  with_nan.at({0, 0, 0, 0}) = std::numeric_limits<float>::quiet_NaN();
  write("q.npy", with_nan);  // one row of B H T = 72
  const Result result = attend({"--report", "entropy"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.out.find("nan"), std::string::npos) << result.out;
  EXPECT_NE(result.out.find(", 1 not finite"), std::string::npos) << result.out;
}

TEST_F(Attend, ReportsTheWeightOnGivenKeys) {
  const Result result =
      attend({"--keys", "5,0,5", "--keys", "12", "--bins", "0,4,13", "--save", "r.npz"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_NE(result.out.find("\nlisted           f32 [2, 4, 9, 2]: "), std::string::npos);
  const AttentionReport report = attention_report(
      q, k, v, {}, {.lists = {{.keys = {0, 5}}, {.keys = {12}}}, .bins = {0, 4, 13}});
  const NamedTensors saved = read_npz(folder_ / "r.npz");
  ASSERT_EQ(saved.size(), 2U);
  EXPECT_EQ(saved[0].first, "listed");
  expect_same_bits(saved[0].second, report.listed, "listed");
  EXPECT_EQ(saved[1].first, "binned");
  expect_same_bits(saved[1].second, report.binned, "binned");
}

TEST_F(Attend, SavesReportsAsTextAndPictures) {
  const auto save = [&](const std::string& name) {
    const Result result =
        run_heed({"attend", file("q.npy"), file("k.npy"), file("v.npy"), "--report",
                  "entropy,max,map4", "--tile", "2:4,0:3", "--save", file(name)});
    EXPECT_EQ(result.status, 0) << result.err;
    return read_file(folder_ / name);
  };
  const AttentionReport report =
      attention_report(q, k, v, {}, {.entropy = true, .max = true, .map = 4});
  const Json json = parse_json(save("r.json"), "r.json");
  EXPECT_EQ(json["entropy"].size(), 2U);
  EXPECT_EQ(json["entropy"][1][3][8].get<float>(), report.entropy.at({1, 3, 8}));
  EXPECT_EQ(json["max_key"][1][3][8].get<int64_t>(), report.max_key.at<int64_t>({1, 3, 8}));
  EXPECT_EQ(json["map4_mean"][1][2][3][1].get<float>(), report.map.mean.at({1, 2, 3, 1}));
  EXPECT_EQ(json["map4_row_edges"].size(), 5U);
  EXPECT_EQ(json["tile"][0][0].size(), 2U);
  const std::string csv = save("r.csv");
  EXPECT_TRUE(csv.starts_with("name,i0,i1,i2,i3,value\nentropy,0,0,0,,")) << csv.substr(0, 100);
  EXPECT_NE(csv.find(fmt::format("\nmax_key,1,3,8,,{}\n", report.max_key.at<int64_t>({1, 3, 8}))),
            std::string::npos);
  EXPECT_NE(csv.find(fmt::format("\nmap4_mean,1,2,3,1,{}\n", report.map.mean.at({1, 2, 3, 1}))),
            std::string::npos);
  EXPECT_EQ(std::ranges::count(csv, '\n'), 1 + 3 * 2 * 4 * 9 + 3 * 2 * 4 * 16 + 2 * 5 + 2 * 4 * 6);
  EXPECT_TRUE(save("r.svg").starts_with("<"));
  EXPECT_TRUE(save("r.png").starts_with("\x89PNG"));
}

TEST_F(Attend, WritesGradients) {
  const Tensor dy = waves({B, H, T, E}, 0.41F);
  const Tensor bias = waves({1, H, 1, S}, 0.23F);
  const Tensor heads = waves({H}, 0.9F);
  const Tensor table = waves({8, H}, 0.3F);
  write("dy.npy", dy);
  write("bias.npy", bias);
  write("heads.npy", heads);
  write("table.npy", table);
  const Result result =
      attend({"--bias", "bias.npy", "--alibi", "heads.npy", "--sinks", "heads.npy", "--t5-table",
              "table.npy", "--grad-y", "dy.npy", "--grads", "grads.npz"});
  ASSERT_EQ(result.status, 0) << result.err;
  const AttentionOptions options{.mask = Mask::additive(bias),
                                 .alibi = heads,
                                 .relative = {{table, false, 128}},
                                 .sinks = heads};
  const AttentionOutputs out = attention_outputs(q, k, v, options, {.lse = true});
  const AttentionGradients expected =
      attention_backward(q, k, v, options, out.y, out.lse, dy,
                         {.bias = true, .alibi = true, .t5_table = true, .sinks = true});
  const NamedTensors saved = read_npz(folder_ / "grads.npz");
  const NamedTensors wanted{{"dq", expected.dq},         {"dk", expected.dk},
                            {"dv", expected.dv},         {"dbias", expected.dbias.front()},
                            {"dalibi", expected.dalibi}, {"dt5_table", expected.dt5_table},
                            {"dsinks", expected.dsinks}};
  ASSERT_EQ(saved.size(), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    EXPECT_EQ(saved[i].first, wanted[i].first);
    expect_same_bits(saved[i].second, wanted[i].second, wanted[i].first);
  }
  expect_fault({"--grad-y", "dy.npy"}, "--grads");
  expect_fault({"--grads", "grads.npz"}, "--grad-y");
  write("dy.npy", dy.slice(2, 1, T));
  expect_fault({"--grad-y", "dy.npy", "--grads", "grads.npz"}, "dy");
  expect_fault({"--grad-y", "heads.npy", "--grads", "grads.npy"}, ".npz");
}

TEST_F(Attend, RefusesReportsThatCannotBe) {
  expect_fault({"--report", "entropie", "--save", "r.npz"}, "entropie");
  expect_fault({"--report", ","}, "needed names of entropy");
  expect_fault({"--report", "top8,top2"}, "needed one topK, found top8 and top2");
  expect_fault({"--keys", "1,"}, "--keys: needed whole numbers by commas, found '1,'");
  expect_fault({"--keys", "1,13"}, "listed keys must be in [0, S=13) but one is 13");
  expect_fault({"--bins", ","}, "--bins: needed whole numbers by commas, found ','");
  expect_fault({"--bins", "3"}, "bins need two edges");
  expect_fault({"--bins", "0,9,5,13"}, "bins must rise but 5 follows 9");
  expect_fault({"--report", "top65", "--save", "r.npz"}, "65");
  expect_fault({"--report", "map1025", "--save", "r.npz"}, "1025");
  expect_fault({"--tile", "0:3", "--save", "r.npz"}, "--tile: needed r0:r1,c0:c1");
  expect_fault({"--tile", "0:10,0:3", "--save", "r.npz"}, "10");
  expect_fault({"--tile", "3:2,0:3", "--save", "r.npz"}, "rows must begin before they end");
}

TEST_F(Attend, RefusesWhatDoesNotFit) {
  write("v.npy", waves({B, G, S - 1, E}, 1));
  expect_fault({}, "attention: v must be [B=2, G=2, S=13, E] but is [2, 2, 12, 6]; S is 13 in k");
  write("v.npy", v);
  write("k.npy", waves({B, 3, S, D}, 1));
  expect_fault({}, "v must be [B=2, G=3, S=13, E] but is [2, 2, 13, 6]");
  write("v.npy", waves({B, 3, S, E}, 1));
  expect_fault({}, "H must be a multiple of G but q has H=4 heads and k has G=3");
  write("k.npy", waves({B, G, S, D + 1}, 1));
  expect_fault({}, "k must be [B=2, G, S, D=8] but is [2, 2, 13, 9]");
  write("k.npy", Tensor::zeros({B, G, S, D}, DType::i32));
  expect_fault({}, "k: needed f32, f16, or bf16 as uint16 with --bf16, found i32");
  write("k.npy", k.to(DType::f64));
  expect_fault({}, "found f64");
  write("k.npy", k);
  write("q.npy", waves({H, T, D}, 1));
  expect_fault({}, "q must be");
  write("q.npy", q);
  std::filesystem::remove(folder_ / "v.npy");
  expect_fault({}, "v.npy");
}

TEST_F(Attend, RefusesOptionsThatCannotBe) {
  expect_fault({"--window", "-2,3"},
               "--window: needed LEFT,RIGHT, each at least 0 or -1 for open, found '-2,3'");
  expect_fault({"--window", "4"}, "--window: needed LEFT,RIGHT");
  expect_fault({"--scale", "nan"}, "scale must be finite but is nan");
  expect_fault({"--scale", "inf"}, "scale must be finite but is inf");
  expect_fault({"--softcap", "-1"}, "softcap must be 0 (off) or at least 2.94e-39");
  expect_fault({"--softcap", "1e-40"}, "of which 1 / softcap is finite, but is 1e-40");
  expect_fault({"--causal", "left"},
               "--causal: needed top-left, bottom-right or OFFSETS.npy, found 'left'");
  expect_fault({"--t5-bidirectional"}, "--t5-table");
  expect_fault({"--save", "out.txt"}, "--save 'out.txt': the ending must be .npz, .json, .csv");
  expect_fault({"--save", "out.png"}, "needed --report map64 (or another size) or --tile to draw");
  expect_fault({"--y", "y.npz"}, "the ending must be .npy; --save writes .npz, .json and .csv");
  expect_fault({"--scores", "scores.csv"}, "--scores 'scores.csv': the ending must be .npy");
  expect_fault({"--report-nothing"}, "there is no option '--report-nothing'");
  expect_fault({"--y", "same.npy", "--lse", "same.npy"},
               "--y and --lse: needed a file each, found");
  expect_fault({"--weights", "same.npy", "--scores", "./same.npy"},
               "--weights and --scores: needed a file each, found");
}

TEST_F(Attend, WritesOverNothingThatItReads) {
  expect_fault({"--y", "./q.npy"}, "Q.npy and --y: needed a file each, found");
  write("mask.npy", Tensor::zeros({1, 1, T, S}, DType::f32));
  expect_fault({"--bias", "mask.npy", "--weights", "mask.npy"}, "--bias and --weights: needed");
  expect_same_bits(read("q.npy"), q, "q");
}

TEST_F(Attend, RefusesOptionsWithNothingInThem) {
  for (const char* option : {"--causal", "--window", "--lengths", "--mask", "--bias", "--alibi",
                             "--sinks", "--t5-table", "--report", "--keys", "--bins", "--tile",
                             "--y", "--lse", "--weights", "--scores", "--save"}) {
    const Result result = attend({option, ""});
    EXPECT_EQ(result.status, 2) << option;
    EXPECT_NE(result.err.find(std::string(option) + ": needed "), std::string::npos) << result.err;
    EXPECT_NE(result.err.find(", found nothing"), std::string::npos) << result.err;
  }
}

TEST_F(Attend, RefusesBeforeLongWorkWhatWouldFailAfterIt) {
  // Each beside a fault that is found sooner or later on the way.
  expect_fault({"--y", "none/y.npy", "--causal", "missing.npy"}, "needed the folder");
  expect_fault({"--save", "none/r.npz", "--report", "max", "--causal", "missing.npy"},
               "needed the folder");
  write("dy.npy", q.slice(2, 1, T));
  expect_fault({"--tile", "0:10,0:3", "--grad-y", "dy.npy", "--grads", "grads.npz"},
               "rows must lie in [0, T=9] but are 0:10");
}

TEST_F(Attend, RefusesArraysThatCannotBe) {
  write("n.npy", list<int32_t>({13, 14}));
  expect_fault({"--lengths", "n.npy"}, "needed lengths of at most S=13 keys, found 14");
  expect_fault({"--causal", "missing.npy"}, "missing.npy");
  write("n.npy", list<int32_t>({1, 2, 3}));
  expect_fault({"--lengths", "n.npy"},
               "needed lengths for B=2 batch rows (or one for all), found 3");
  expect_fault({"--causal", "n.npy"}, "needed causal offsets for B=2 batch rows");
  expect_fault({"--alibi", "n.npy"}, "--alibi: needed f32, f16");
  write("f.npy", waves({B}, 1));
  expect_fault({"--lengths", "f.npy"}, "--lengths: needed a list of int32 or int64, found f32 [2]");
  expect_fault({"--alibi", "f.npy"}, "alibi must be f32 of shape [H=4] but is f32 [2]");
  expect_fault({"--sinks", "f.npy"}, "sinks must be f32 of shape [H=4] but is f32 [2]");
  expect_fault({"--mask", "f.npy"}, "--mask: needed bool (true = visible), found f32");
  expect_fault({"--bias", "f.npy"},
               "a mask must broadcast to [B, H, T, S] = [2, 4, 9, 13] but is [2]");
  expect_fault({"--t5-table", "f.npy"}, "table must be f32 [buckets >= 2, H=4] but is f32 [2]");
  write("f.npy", Tensor::full({1}, std::numeric_limits<float>::quiet_NaN()));
  expect_fault({"--bias", "f.npy"}, "--bias: needed finite numbers or -inf, found nan");
}

}  // namespace
}  // namespace heed::testing
