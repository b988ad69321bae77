#include "heed/models/model_files.h"

#include <gtest/gtest.h>

#include "heed/base/file.h"
#include "heed/io/json.h"
#include "heed/io/safetensors.h"
#include "tests/expect_error.h"
#include "tests/support.h"

namespace heed {
namespace {

using testing::TemporaryFolder;

/// An adapter of one product and of the output's matrix, for a GPT-2 that has one table for both
/// ends.
class AdapterOfAnOutput : public ::testing::Test {
 protected:
  AdapterOfAnOutput() {
    for (const char* name : {"base", "adapter"}) std::filesystem::create_directory(folder_ / name);
    write_file(folder_ / "base" / "config.json", R"({"model_type": "gpt2"})");
    write_safetensors(folder_ / "base" / "model.safetensors",
                      {{"transformer.h.0.attn.c_proj.weight", Tensor::from({1, 2, 3, 4}, {2, 2})},
                       {"transformer.wte.weight", table_}});
    write_file(folder_ / "adapter" / "adapter_config.json",
               R"({"base_model_name_or_path": "../base", "lora_alpha": 2, "r": 1})");
  }
  Params open(const Tensor& output) const {
    const std::string product = "base_model.model.transformer.h.0.attn.c_proj";
    write_safetensors(folder_ / "adapter" / "adapter_model.safetensors",
                      {{product + ".lora_A.weight", Tensor::from({1, 1}, {1, 2})},
                       {product + ".lora_B.weight", Tensor::from({1, 1}, {2, 1})},
                       {"base_model.model.lm_head.weight", output}});
    return open_model_params(folder_ / "adapter");
  }

  TemporaryFolder folder_;
  Tensor table_ = Tensor::from({1, 2, 3, 4, 5, 6}, {3, 2});
};

TEST_F(AdapterOfAnOutput, IsRefusedWhereTheTableStandsForIt) {
  const Tensor other = Tensor::from({1, 2, 3, 4, 5, 7}, {3, 2});
  expect_error(ErrorCode::unsupported, {"'lm_head.weight'", "tie_word_embeddings"},
               [&] { open(other); });
  EXPECT_TRUE(open(table_).contains("lm_head.weight")) << "the table itself";
  write_file(folder_ / "adapter" / "config.json",
             R"({"model_type": "gpt2", "tie_word_embeddings": false})");
  EXPECT_TRUE(open(other).contains("lm_head.weight"));
}

}  // namespace
}  // namespace heed
