#include "heed/train/lora.h"

#include <gtest/gtest.h>

#include "heed/autograd/tape.h"
#include "heed/base/file.h"
#include "heed/io/json.h"
#include "heed/io/safetensors.h"
#include "tests/expect_error.h"
#include "tests/support.h"

namespace heed {
namespace {

ParameterStore frozen_store() {
  return ParameterStore(
      std::map<std::string, Tensor>{{"layer.query.weight", Tensor::full({2, 3}, 1)},
                                    {"h.c_attn.weight", Tensor::full({3, 2}, 1)},
                                    {"layer.query.bias", Tensor::full({2}, 1)}},
      {.frozen = [](std::string_view) { return true; }});
}

TEST(Lora, StartsAsTheModelAndAddsTheProduct) {
  const Lora lora(frozen_store(), {.rank = 1, .alpha = 2, .targets = {"query", "c_attn"}});
  const Params params = lora.params();
  EXPECT_FLOAT_EQ(params.tensor("layer.query.weight", {2, 3}).at({1, 2}), 1);
  EXPECT_FLOAT_EQ(params.tensor("h.c_attn.weight", {3, 2}).at({2, 1}), 1);
  const ParameterStore& adapters = lora.adapters();
  EXPECT_EQ(adapters.names(),
            (std::vector<std::string>{"h.c_attn.lora_A.weight", "h.c_attn.lora_B.weight",
                                      "layer.query.lora_A.weight", "layer.query.lora_B.weight"}));
  adapters.assign("layer.query.lora_A.weight", Tensor::from({1, 2, 3}, {1, 3}));
  adapters.assign("layer.query.lora_B.weight", Tensor::from({10, 20}, {2, 1}));
  adapters.assign("h.c_attn.lora_A.weight", Tensor::from({1, 2, 3}, {1, 3}));
  adapters.assign("h.c_attn.lora_B.weight", Tensor::from({10, 20}, {2, 1}));
  EXPECT_FLOAT_EQ(params.tensor("layer.query.weight", {2, 3}).at({1, 2}), 1 + 2 * 20 * 3);
  EXPECT_FLOAT_EQ(params.tensor("h.c_attn.weight", {3, 2}).at({2, 1}), 1 + 2 * 20 * 3);
  for (const auto& [name, tensor] : lora.merged()) {
    if (name == "layer.query.weight") {
      EXPECT_FLOAT_EQ(tensor.at({0, 1}), 1 + 2 * 10 * 2);
    }
  }
}

TEST(Lora, GradientsReachTheAdaptersAlone) {
  const Lora lora(frozen_store(), {.rank = 1, .alpha = 1, .targets = {"query"}});
  const Tensor weight = lora.params().tensor("layer.query.weight", {2, 3});
  ASSERT_TRUE(weight.traced());
  backward(weight, Tensor::full({2, 3}, 1));
  const ParameterStore& adapters = lora.adapters();
  const Tensor slope = gradient(adapters["layer.query.lora_B.weight"]);
  const auto a = adapters["layer.query.lora_A.weight"].span<float>();
  ASSERT_TRUE(slope.defined());
  EXPECT_NEAR(slope.at({0, 0}), a[0] + a[1] + a[2], 1e-6);
  EXPECT_FALSE(lora.params().tensor("layer.query.bias", {2}).traced());
}

TEST(Lora, WritesPeftsLayout) {
  const Lora lora(frozen_store(), {.rank = 1, .alpha = 2, .targets = {"query"}});
  lora.params().tensor("layer.query.weight", {2, 3});
  const testing::TemporaryFolder folder;
  lora.write(folder.path(), "org/base", "model.",
             {{"classifier.weight", Tensor::zeros({2, 2})},
              {"classifier.bias", Tensor::zeros({2})},
              {"layer.pooler.dense.weight", Tensor::zeros({2, 2})},
              {"predictions.bias", Tensor::zeros({2})}});
  const Json config = read_json(folder / "adapter_config.json");
  EXPECT_EQ(config["peft_type"], "LORA");
  EXPECT_EQ(config["r"], 1);
  // the bias' module has a weight that is not saved: PEFT would look for it
  EXPECT_EQ(config["modules_to_save"], Json::array({"classifier", "layer.pooler.dense"}));
  EXPECT_EQ(config["target_modules"], Json::array({"query"}));
  const Checkpoint tensors = Checkpoint::open(folder / "adapter_model.safetensors");
  EXPECT_TRUE(tensors.contains("base_model.model.model.layer.query.lora_A.weight"));
  EXPECT_TRUE(tensors.contains("base_model.model.classifier.weight"));
  EXPECT_TRUE(tensors.contains("base_model.model.predictions.bias"));
}

TEST(Lora, WhatIsFrozenGetsNone) {
  const Lora lora(frozen_store(),
                  {.rank = 1, .targets = {"query", "c_attn"}, .freeze = {"layer."}});
  const Params params = lora.params();
  EXPECT_FALSE(params.tensor("layer.query.weight", {2, 3}).traced());
  EXPECT_TRUE(params.tensor("h.c_attn.weight", {3, 2}).traced());
  EXPECT_EQ(lora.adapters().names(),
            (std::vector<std::string>{"h.c_attn.lora_A.weight", "h.c_attn.lora_B.weight"}));
  expect_error(ErrorCode::invalid_argument, {"every product 'query' is frozen"},
               [&] { lora.check(); });
  const testing::TemporaryFolder folder;
  lora.write(folder.path(), "org/base", "", {});
  EXPECT_EQ(read_json(folder / "adapter_config.json")["target_modules"], Json::array({"h.c_attn"}));
}

TEST(Lora, WhatIsTrainedWholeGetsNone) {
  const std::map<std::string, Tensor> weights{{"layer.dense.weight", Tensor::full({2, 3}, 1)},
                                              {"head.dense.weight", Tensor::full({2, 2}, 1)}};
  const ParameterStore store(
      weights, {.frozen = [](std::string_view name) { return name.starts_with("layer."); }});
  const Lora lora(store, {.rank = 1, .targets = {"dense"}});
  lora.params().tensor("layer.dense.weight", {2, 3});
  lora.params().tensor("head.dense.weight", {2, 2});
  EXPECT_EQ(lora.adapters().names(),
            (std::vector<std::string>{"layer.dense.lora_A.weight", "layer.dense.lora_B.weight"}));
  lora.check();
  const testing::TemporaryFolder folder;
  lora.write(folder.path(), "org/base", "",
             {{"head.dense.weight", weights.at("head.dense.weight")}});
  EXPECT_EQ(read_json(folder / "adapter_config.json")["target_modules"],
            Json::array({"layer.dense"}));
  const Lora none(store, {.rank = 1, .targets = {"head.dense"}});
  expect_error(ErrorCode::invalid_argument,
               {"every product 'head.dense' is frozen or trained whole"}, [&] { none.check(); });
}

TEST(Lora, RefusesTargetsThatFitNothing) {
  const Lora lora(frozen_store(), {.rank = 1, .targets = {"querry"}});
  expect_error(ErrorCode::invalid_argument, {"no product 'querry'", "c_attn, query"},
               [&] { lora.check(); });
  const ParameterStore tables(
      std::map<std::string, Tensor>{
          {"wte.weight", Tensor::full({4, 2}, 1)},
          {"embeddings.weight", Tensor::full({4, 2}, 1)},  // transformer2017's
          {"h.c_attn.weight", Tensor::full({2, 6}, 1)}},
      {.frozen = [](std::string_view) { return true; }});
  const Lora table(tables, {.rank = 1, .targets = {"wte"}});
  expect_error(ErrorCode::invalid_argument, {"no product 'wte'; it has c_attn"},
               [&] { table.check(); });
  expect_error(ErrorCode::invalid_argument, {"rank of at least 1"},
               [] { Lora(frozen_store(), {.rank = 0, .targets = {"query"}}); });
}

}  // namespace
}  // namespace heed
