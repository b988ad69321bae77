#include "heed/io/adapter.h"

#include <gtest/gtest.h>

#include "heed/base/file.h"
#include "heed/io/json.h"
#include "tests/expect_error.h"
#include "tests/support.h"

namespace heed {
namespace {

using testing::TemporaryFolder;

/// A base model of two matrices, and an adapter of rank 1 for one of them.
class AdapterFolder : public ::testing::Test {
 protected:
  AdapterFolder() {
    std::filesystem::create_directory(folder_ / "base");
    write_file(folder_ / "base" / "config.json", "{}");
    write_safetensors(folder_ / "base" / "model.safetensors",
                      {{"layer.query.weight", Tensor::from({1, 2, 3, 4, 5, 6}, {2, 3})},
                       {"layer.norm.weight", Tensor::from({7, 8}, {2})},
                       {"head.weight", Tensor::from({9}, {1, 1})}});
    config_ = {{"peft_type", "LORA"},
               {"base_model_name_or_path", "../base"},
               {"r", 1},
               {"lora_alpha", 2},
               {"fan_in_fan_out", false}};
    a_ = Tensor::from({1, 0, 10}, {1, 3});
    b_ = Tensor::from({1, 2}, {2, 1});
  }

  void write(const std::string& product) const {
    std::filesystem::create_directories(folder_ / "adapter");
    write_file(folder_ / "adapter" / "adapter_config.json", config_.dump());
    write_safetensors(folder_ / "adapter" / "adapter_model.safetensors",
                      {{"base_model.model." + product + ".lora_A.weight", a_},
                       {"base_model.model." + product + ".lora_B.weight", b_},
                       {"base_model.model.head.weight", Tensor::from({-1}, {1, 1})}});
  }
  Checkpoint open() const { return Checkpoint::open(folder_ / "adapter"); }
  static std::vector<float> numbers(const Tensor& x) {
    const auto span = x.span<float>();
    return {span.begin(), span.end()};
  }

  TemporaryFolder folder_;
  Json config_;
  Tensor a_, b_;
};

TEST_F(AdapterFolder, GivesTheBaseModelsTensorsAsItChangesThem) {
  write("layer.query");
  EXPECT_TRUE(is_adapter(folder_ / "adapter"));
  EXPECT_FALSE(is_adapter(folder_ / "base"));
  const Checkpoint checkpoint = open();
  EXPECT_EQ(checkpoint.entries().size(), 3U);
  // W + 2 B A
  EXPECT_EQ(numbers(checkpoint.load("layer.query.weight")),
            (std::vector<float>{3, 2, 23, 8, 5, 46}));
  EXPECT_EQ(numbers(checkpoint.load("layer.norm.weight")), (std::vector<float>{7, 8}));
  EXPECT_EQ(numbers(checkpoint.load("head.weight")), (std::vector<float>{-1}));
  EXPECT_EQ(model_file(folder_ / "adapter", "config.json").lexically_normal(),
            (folder_ / "base" / "config.json").lexically_normal());
}

TEST_F(AdapterFolder, NamesOfAWrappedModelFitItsBareBase) {
  write("bert.layer.query");
  const Checkpoint checkpoint = open();
  EXPECT_EQ(numbers(checkpoint.load("bert.layer.query.weight")),
            (std::vector<float>{3, 2, 23, 8, 5, 46}));
  EXPECT_EQ(numbers(checkpoint.load("bert.layer.norm.weight")), (std::vector<float>{7, 8}));
  EXPECT_EQ(numbers(checkpoint.load("head.weight")), (std::vector<float>{-1}));
}

/// A base of GPT-2's kind, whose matrices are [K, N], and an adapter of one of them.
TEST_F(AdapterFolder, MatricesThatAreKeptTransposedGetTheTranspose) {
  write_safetensors(folder_ / "base" / "model.safetensors",
                    {{"h.c_proj.weight", Tensor::from({1, 2, 3, 4}, {2, 2})},
                     {"head.weight", Tensor::from({9}, {1, 1})}});
  a_ = Tensor::from({1, 10}, {1, 2});
  b_ = Tensor::from({1, 2}, {2, 1});
  for (const bool told :
       {true, false}) {  // PEFT leaves it as it is for the last of several products
    config_["fan_in_fan_out"] = told;
    write("h.c_proj");
    EXPECT_EQ(numbers(open().load("h.c_proj.weight")), (std::vector<float>{3, 6, 23, 44}));
  }
}

TEST_F(AdapterFolder, BiasesAndTablesBesideUpdatesAreTaken) {
  write_safetensors(folder_ / "base" / "model.safetensors",
                    {{"bert.layer.query.weight", Tensor::from({1, 2, 3, 4, 5, 6}, {2, 3})},
                     {"bert.layer.query.bias", Tensor::from({7, 8}, {2})},
                     {"bert.layer.norm.bias", Tensor::from({9}, {1})}});
  write("layer.query");
  write_safetensors(folder_ / "adapter" / "adapter_model.safetensors",
                    {{"base_model.model.layer.query.lora_A.weight", a_},
                     {"base_model.model.layer.query.lora_B.weight", b_},
                     {"base_model.model.layer.query.base_layer.weight", Tensor::zeros({2, 3})},
                     {"base_model.model.layer.query.base_layer.bias", Tensor::from({-1, -2}, {2})},
                     {"base_model.model.layer.norm.bias", Tensor::from({-3}, {1})}});
  const Checkpoint checkpoint = open();
  EXPECT_EQ(checkpoint.entries().size(), 3U);
  EXPECT_EQ(numbers(checkpoint.load("bert.layer.query.weight")),
            (std::vector<float>{2, 0, 20, 4, 0, 40}));
  EXPECT_EQ(numbers(checkpoint.load("bert.layer.query.bias")), (std::vector<float>{-1, -2}));
  EXPECT_EQ(numbers(checkpoint.load("bert.layer.norm.bias")), (std::vector<float>{-3}));
}

TEST_F(AdapterFolder, WhatIsMoreThanAPlainOneIsRefused) {
  config_["rank_pattern"] = {{"query", 1}};  // the factors' shapes tell
  config_["init_lora_weights"] = "gaussian";
  config_["alpha_pattern"] = Json::object();
  config_["trainable_token_indices"] = Json();
  write("layer.query");
  open();
  const Json plain = config_;
  for (const auto& [name, value] :
       std::map<std::string, Json>{{"use_dora", true},
                                   {"alpha_pattern", {{"query", 4}}},
                                   {"init_lora_weights", "pissa_niter_4"},
                                   {"trainable_token_indices", {1}},
                                   {"alora_invocation_tokens", {1, 2}}}) {
    config_ = plain;
    config_[name] = value;
    write("layer.query");
    expect_error(ErrorCode::unsupported, {"needed a plain LoRA, found ", name}, [&] { open(); });
  }
}

TEST_F(AdapterFolder, WhatCannotBeServedIsRefused) {
  write("layer.value");
  expect_error(ErrorCode::corrupt_data, {"layer.value.weight"}, [&] { open(); });
  config_["base_model_name_or_path"] = "no/where";
  write("layer.query");
  expect_error(ErrorCode::not_found, {"its base model is not here"}, [&] { open(); });
  config_["base_model_name_or_path"] = "../adapter";
  write("layer.query");
  expect_error(ErrorCode::unsupported, {"is an adapter too"}, [&] { open(); });
  expect_error(ErrorCode::unsupported, {"is an adapter too"},
               [&] { model_file(folder_ / "adapter", "config.json"); });
  for (const Json& none : {Json(), Json(""), Json(3), Json::array()}) {
    config_["base_model_name_or_path"] = none;
    write("layer.query");
    expect_error(ErrorCode::corrupt_data,
                 {"needed base_model_name_or_path, found ",
                  none.is_null() || none == "" ? "none" : none.dump()},
                 [&] { open(); });
  }
  config_["base_model_name_or_path"] = "../base";
  b_ = Tensor::from({1, 2, 3}, {3, 1});
  write("layer.query");
  expect_error(ErrorCode::corrupt_data, {"do not fit"}, [&] { open().load("layer.query.weight"); });
  config_["lora_alpha"] = 1e200;  // no f32
  b_ = Tensor::from({1, 2}, {2, 1});
  write("layer.query");
  expect_error(ErrorCode::corrupt_data, {"found 1e+200 over the rank 1"},
               [&] { open().load("layer.query.weight"); });
  config_["lora_alpha"] = 2;
  a_ = Tensor::zeros({0, 3});
  b_ = Tensor::zeros({2, 0});
  write("layer.query");
  expect_error(ErrorCode::corrupt_data, {"found 2.0 over the rank 0"},
               [&] { open().load("layer.query.weight"); });
}

}  // namespace
}  // namespace heed
