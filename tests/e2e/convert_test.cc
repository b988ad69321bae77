// heed convert as a user runs it, on a small random GPT-2.

#include <gtest/gtest.h>

#include <algorithm>

#include "heed/io/json.h"
#include "heed/io/npy.h"
#include "tests/e2e/program.h"
#include "tests/golden.h"

namespace heed::testing {
namespace {

class Convert : public ::testing::Test {
 protected:
  static std::string model() { return golden_folder() / "gpt2_2x5"; }
  std::string file(const std::string& name) const { return folder_ / name; }
  void convert(const std::string& from, const std::string& to,
               const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {"convert", from, "--save", to, "--quiet"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Result result = run_heed(arguments);
    EXPECT_EQ(result.status, 0) << result.err;
  }
  Tensor logits(const std::string& from, const std::vector<std::string>& more = {}) const {
    write_file(file("ids.json"), "[[1, 2, 3, 4, 5]]");
    std::vector<std::string> arguments = {"forward", "--model",        from,
                                          "--ids",   file("ids.json"), "--want",
                                          "logits",  "--save",         file("out.npz")};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Result result = run_heed(arguments);
    EXPECT_EQ(result.status, 0) << result.err;
    for (const auto& [name, array] : read_npz(file("out.npz"))) {
      if (name == "logits") return array;
    }
    ADD_FAILURE() << "no logits";
    return {};
  }

  TemporaryFolder folder_;
};

TEST_F(Convert, TheSameLogitsFromEveryForm) {
  const Tensor expected = logits(model());
  convert(model(), file("a.gguf"));
  expect_same_bits(logits(file("a.gguf")), expected, "GGUF");
  convert(file("a.gguf"), file("back"));
  expect_same_bits(logits(file("back")), expected, "a folder again");
  convert(file("a.gguf"), file("half.gguf"), {"--dtype", "f16"});
  const Tensor half = logits(file("half.gguf"));
  EXPECT_GT(distance(half, expected), 0);
  EXPECT_LT(distance(half, expected), 0.01);
  // converted before, or while it is loaded
  expect_same_bits(logits(model(), {"--dtype", "f16"}), half, "--dtype");
}

TEST_F(Convert, FaultsAreOneLine) {
  const auto expect_fault = [](const std::vector<std::string>& arguments, const char* part) {
    const Result result = run_heed(arguments);
    EXPECT_EQ(result.status, 2) << result.err;
    EXPECT_NE(result.err.find(part), std::string::npos) << result.err;
    EXPECT_EQ(std::ranges::count(result.err, '\n'), 1) << result.err;
  };
  expect_fault({"convert", model()}, "--save OUT");
  expect_fault({"convert", model(), "--save", file("a"), "--dtype", "q8_0"}, "hold no q8_0");
  expect_fault({"convert", model(), "--save", file("a.gguf"), "--dtype", "q2_k"}, "q4_0");
  expect_fault({"convert", golden_folder() / "gpt2_1x16", "--save", file("a.gguf")},
               "activation_function must be gelu_new");
  write_file(file("broken.gguf"), "GGUF");
  expect_fault({"convert", file("broken.gguf"), "--save", file("a.gguf")}, "found 4 bytes");
}

}  // namespace
}  // namespace heed::testing
