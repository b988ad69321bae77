#include <gtest/gtest.h>

#include <algorithm>

#include "heed/io/json.h"
#include "heed/io/safetensors.h"
#include "tests/e2e/program.h"

namespace heed::testing {
namespace {

Json inspect_json(const std::string& path, bool tensors = false) {
  std::vector<std::string> arguments = {"inspect", path, "--json"};
  if (tensors) arguments.emplace_back("--tensors");
  const Result result = run_heed(arguments);
  EXPECT_EQ(result.status, 0) << result.err;
  return parse_json(result.out, "output");
}

TEST(Inspect, AFileOfTensorsIsListed) {
  const std::string path = (golden_folder() / "io/torch_dtypes.safetensors").string();
  const Json json = inspect_json(path, true);
  EXPECT_EQ(json["tensor_count"], 5);
  EXPECT_EQ(json["dtypes"]["F8_E8M0"]["bytes"], 3);
  EXPECT_EQ(json["tensors"][0]["name"], "BF16");
  EXPECT_EQ(json["tensors"][0]["shape"], Json({2, 3}));
  EXPECT_TRUE(json["commands"].empty());
  const Result text = run_heed({"inspect", path, "--tensors"});
  EXPECT_NE(text.out.find("F8_E4M3"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("a file of tensors alone does not run"), std::string::npos) << text.out;
}

TEST(Inspect, AnUnknownArchitectureIsToldAndItsTensorsListed) {
  const TemporaryFolder folder;
  write_file(folder / "config.json",
             R"({"model_type": "mamba", "architectures": ["Mamba\u001b[2J"]})");
  write_safetensors(folder / "model.safetensors", {{"w\x1b[2J", Tensor::zeros({2, 3})}});
  const Json json = inspect_json(folder.path().string());
  EXPECT_EQ(json["model_type"], "mamba");
  EXPECT_EQ(json["parameters"], 6);
  EXPECT_EQ(json["files"].size(), 2);
  EXPECT_TRUE(json["commands"].empty());
  EXPECT_NE(json["obstacles"].dump().find("mamba"), std::string::npos);
  const Result text = run_heed({"inspect", folder.path().string(), "--tensors"});
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_NE(text.out.find("nothing of it"), std::string::npos) << text.out;
  EXPECT_EQ(text.out.find('\x1b'), std::string::npos) << "a name reached the terminal unescaped";
}

TEST(Inspect, EveryArchitectureIsListed) {
  const Result text = run_heed({"inspect", "--known"});
  EXPECT_EQ(text.status, 0) << text.err;
  EXPECT_NE(text.out.find("xlm-roberta"), std::string::npos) << text.out;
  const Json models =
      parse_json(run_heed({"inspect", "--known", "--json"}).out, "output")["models"];
  EXPECT_EQ(std::ranges::count(text.out, '\n'), std::ssize(models) + 1);
  for (const Json& model : models) {
    EXPECT_FALSE(model["equal_to"].get<std::string>().empty()) << model;
    EXPECT_FALSE(model["checkpoints"].get<std::string>().empty()) << model;
  }
  EXPECT_EQ(run_heed({"inspect", "--known", "x"}).status, 2);
}

TEST(Inspect, DistancesInPlaceOfPositionsHaveNoEnd) {
  const std::string path = (golden_folder() / "t5_relu").string();
  EXPECT_TRUE(inspect_json(path)["sizes"]["max_tokens"].is_null());
  const Result text = run_heed({"inspect", path});
  EXPECT_NE(text.out.find("texts of any length"), std::string::npos) << text.out;
}

TEST(Inspect, FaultsAreOneLine) {
  const TemporaryFolder folder;
  write_file(folder / "pytorch_model.bin", "PK");
  const Result empty = run_heed({"inspect", folder.path().string()});
  EXPECT_EQ(empty.status, 2);
  EXPECT_NE(empty.err.find("found pytorch_model.bin; pytorch_model.bin is a pickle"),
            std::string::npos)
      << empty.err;
  write_file(folder / "model.safetensors", "12345678");
  const Result broken = run_heed({"inspect", folder.path().string()});
  EXPECT_EQ(broken.status, 2);
  EXPECT_NE(broken.err.find("model.safetensors: the header would have"), std::string::npos)
      << broken.err;
}

TEST(Inspect, AGgufFileIsListedWithItsMetadata) {
  const std::string path = (golden_folder() / "gguf/types.gguf").string();
  const Json json = inspect_json(path, true);
  EXPECT_EQ(json["tensor_count"], 11);
  EXPECT_EQ(json["metadata"]["general.architecture"], "types");
  EXPECT_EQ(json["dtypes"]["Q6_K"], (Json{{"tensors", 1}, {"parameters", 768}, {"bytes", 630}}));
  EXPECT_EQ(json["tensors"][0]["shape"], Json({3, 256}));
  EXPECT_TRUE(json["commands"].empty());
  EXPECT_NE(json["obstacles"].dump().find("general.architecture is 'types'"), std::string::npos);
  const Result text = run_heed({"inspect", path, "--tensors"});
  EXPECT_NE(text.out.find("general.architecture"), std::string::npos) << text.out;
  EXPECT_NE(text.out.find("Q5_K"), std::string::npos) << text.out;
}

TEST(Inspect, MiniLM) {
  const auto model = model_folder();
  HEED_NEED_MODEL(model);
  const Json json = inspect_json(model.string());
  EXPECT_EQ(json["model_type"], "bert");
  EXPECT_EQ(json["dtypes"]["F32"]["parameters"], 22713216);
  EXPECT_EQ(json["sizes"]["layers"], 6);
  EXPECT_EQ(json["tokenizer"]["kind"], "WordPiece");
  EXPECT_EQ(json["commands"], Json({"look", "embed", "tokens", "forward"}));
  EXPECT_TRUE(json["obstacles"].empty()) << json["obstacles"];
}

}  // namespace
}  // namespace heed::testing
