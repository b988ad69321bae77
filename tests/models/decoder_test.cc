#include "heed/models/decoder.h"

#include <gtest/gtest.h>

#include "heed/base/parallel.h"
#include "heed/io/json.h"
#include "heed/models/config.h"
#include "heed/models/llama.h"
#include "heed/models/registry.h"
#include "heed/tasks/forward.h"
#include "tests/expect_error.h"
#include "tests/golden.h"
#include "tests/models/changed_config.h"

namespace heed {
namespace {

using testing::expect_close;
using testing::expect_same_bits;
using testing::Golden;
using testing::golden_folder;

// Sums of 3 blocks reach 20, after some 100 roundings of 6e-8 each.
constexpr double kTolerance = 1e-4;
constexpr double kWeightTolerance = 1e-5;

class Decoders : public ::testing::TestWithParam<const char*> {
 protected:
  std::string name() const { return GetParam(); }
  std::filesystem::path folder() const { return golden_folder() / name(); }
  Golden expected() const { return Golden(name() + "/expected.safetensors"); }
};

TEST_P(Decoders, EqualTransformersOnOddShapes) {
  const auto model = load_causal_model(folder());
  const Golden golden = expected();
  const Tensor states = golden["hidden_states"];
  const Tensor hidden = model->hidden(golden["input_ids"]);
  expect_close(hidden, states.select(0, states.size(0) - 1), kTolerance, name());
  expect_close(model->logits(hidden), golden["logits"], kTolerance, name());
  EXPECT_EQ(model->output_weight().size(0), model->facts().vocab);
}

TEST_P(Decoders, ShowTransformersStatesAndMapsAsEncoders) {
  const Golden golden = expected();
  const Tensor ids = golden["input_ids"];
  ForwardRequest request{.want = {"hidden_states", "attentions", "logits"}};
  for (int64_t b = 0; b < ids.size(0); ++b) {
    const auto row = ids.select(0, b).span<int32_t>();
    request.ids.emplace_back(row.begin(), row.end());
  }
  const auto arrays = forward(*load_encoder(folder()), request);
  expect_close(find_tensor(arrays, "hidden_states"), golden["hidden_states"], kTolerance, name());
  expect_close(find_tensor(arrays, "logits"), golden["logits"], kTolerance, name());
  expect_close(find_tensor(arrays, "attentions"), golden["attentions"], kWeightTolerance, name());
}

TEST_P(Decoders, ATokenDependsOnThoseBeforeItAlone) {
  const int before = num_threads();
  const auto model = load_causal_model(folder());
  const Tensor ids = expected()["input_ids"];
  const Tensor whole = model->hidden(ids);
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    for (const int64_t tokens : {2, 5, 13}) {  // 1 is a product of its own, which sums otherwise
      const Tensor alone = model->hidden(ids.slice(0, 1, 2).slice(1, 0, tokens).contiguous());
      expect_same_bits(alone, whole.slice(0, 1, 2).slice(1, 0, tokens), name());
    }
  }
  set_num_threads(before);
}

INSTANTIATE_TEST_SUITE_P(Goldens, Decoders,
                         ::testing::Values("llama_plain", "llama_llama3", "llama_linear",
                                           "llama_dynamic", "llama_yarn", "llama_yarn_ramp",
                                           "qwen2", "qwen3", "mistral", "phi3"),
                         [](const auto& one) { return std::string(one.param); });

TEST(Decoder, RowsOfPairsSideBySideAreHonoured) {
  // a head's rows (0, 1, .., D/2 - 1 | D/2, ..) written as llama.cpp does: (0, D/2, 1, D/2 + 1, ..)
  const Checkpoint plain = Checkpoint::open(golden_folder() / "llama_plain");
  std::map<std::string, Tensor> weights;
  for (const auto& [name, entry] : plain.entries()) {
    Tensor tensor = plain.load(name);
    if (name.ends_with("q_proj.weight") || name.ends_with("k_proj.weight")) {
      const int64_t head_dim = 6, width = tensor.size(1), heads = tensor.size(0) / head_dim;
      tensor = tensor.reshape({heads, 2, head_dim / 2, width}).transpose(1, 2).contiguous();
      tensor = tensor.reshape({heads * head_dim, width});
    }
    weights[name] = tensor;
  }
  Json config = read_json(golden_folder() / "llama_plain" / "config.json");
  config["rope_interleaved"] = true;
  const auto model = make_causal_model(ConfigReader(config, "test"), Params::from(weights));
  const Golden golden("llama_plain/expected.safetensors");
  expect_close(model->logits(model->hidden(golden["input_ids"])), golden["logits"], kTolerance,
               "interleaved");
}

TEST(Decoder, BadInputIsNamed) {
  const auto model = load_causal_model(golden_folder() / "llama_plain");  // 96 positions, 41 words
  const auto run = [&](const std::vector<int32_t>& ids) {
    model->hidden(Tensor::from(ids, {1, static_cast<int64_t>(ids.size())}));
  };
  expect_error(ErrorCode::invalid_argument, {"llama", "97 tokens", "96 positions"},
               [&] { run(std::vector<int32_t>(97, 1)); });
  expect_error(ErrorCode::invalid_argument, {"41"}, [&] { run({1, 41}); });
  expect_error(ErrorCode::unsupported, {"llama", "pooler"}, [&] { model->pooled(Tensor()); });
}

TEST(Decoder, ReadsNoFurtherThanItsScalingHolds) {
  EXPECT_EQ(load_causal_model(golden_folder() / "phi3")->facts().max_tokens, 96);
  EXPECT_EQ(load_causal_model(golden_folder() / "llama_dynamic")->facts().max_tokens, 96);
}

void expect_refused(const std::string& golden, ErrorCode code, const char* field, const Json& value,
                    std::initializer_list<std::string_view> parts) {
  testing::expect_refused(golden, {code, field, value, parts},
                          [](const auto& folder) { return load_causal_model(folder); });
}

TEST(DecoderConfig, APaddingBelowZeroCountsFromTheVocabularysEnd) {  // as nn.Embedding has it
  Json config = read_json(golden_folder() / "llama_plain" / "config.json");
  for (const auto& [given, row] :
       {std::pair{Json(-1), 40}, {Json(-41), 0}, {Json(7), 7}, {Json(), -1}}) {
    config["pad_token_id"] = given;
    EXPECT_EQ(LlamaConfig::read(ConfigReader(config, "config.json")).padding, row) << given;
  }
}

TEST(DecoderConfig, EveryFieldIsChecked) {
  constexpr auto kCorrupt = ErrorCode::corrupt_data;
  const auto corrupt = [&](const char* field, const Json& value,
                           std::initializer_list<std::string_view> parts) {
    expect_refused("llama_plain", kCorrupt, field, value, parts);
  };
  corrupt("vocab_size", 0, {"vocab_size", "0"});
  corrupt("vocab_size", 42, {"model.embed_tokens.weight must be [42, 24] but is [41, 24]"});
  corrupt("hidden_size", "24", {"hidden_size", "integer"});
  corrupt("pad_token_id", -42, {"pad_token_id", "-41"});
  corrupt("num_hidden_layers", -1, {"num_hidden_layers"});
  corrupt("num_attention_heads", 0, {"num_attention_heads"});
  corrupt("num_key_value_heads", 3, {"num_key_value_heads", "divisor", "4"});
  corrupt("head_dim", 5, {"head_dim", "even"});
  corrupt("intermediate_size", 0, {"intermediate_size"});
  corrupt("max_position_embeddings", 0.5, {"max_position_embeddings"});
  corrupt("rms_norm_eps", -1, {"rms_norm_eps"});
  corrupt("tie_word_embeddings", 1, {"tie_word_embeddings"});
  corrupt("attention_bias", "no", {"attention_bias"});
  corrupt("rope_theta", 0, {"rope_theta"});
  corrupt("rope_scaling", 3, {"rope_scaling", "object"});
  corrupt("rope_scaling", {{"rope_type", "linear"}}, {"rope_scaling", "factor", "absent"});
  corrupt("rope_scaling",
          {{"rope_type", "llama3"},
           {"factor", 8},
           {"low_freq_factor", 4},
           {"high_freq_factor", 4},
           {"original_max_position_embeddings", 32}},
          {"high_freq_factor", "above"});
  corrupt("rope_scaling", {{"rope_type", "longrope"}, {"short_factor", {1, 2}}},
          {"short_factor", "3 numbers"});
  corrupt("rope_scaling", {{"rope_type", "longrope"}, {"short_factor", {1, 2, 0}}},
          {"short_factor", "above 0"});
  expect_refused("qwen2", kCorrupt, "layer_types", {"full_attention"}, {"layer_types", "3 times"});
  expect_refused("qwen2", kCorrupt, "use_sliding_window", false, {"layer_types"});
  expect_refused("mistral", kCorrupt, "sliding_window", -1, {"sliding_window"});
  expect_refused("llama_plain", ErrorCode::not_found, "num_hidden_layers", 3, {"model.layers.2"});
  expect_refused("llama_plain", ErrorCode::not_found, "attention_bias", true, {"q_proj.bias"});
  expect_refused("llama_llama3", ErrorCode::not_found, "tie_word_embeddings", false,
                 {"lm_head.weight"});
  constexpr auto kUnsupported = ErrorCode::unsupported;
  expect_refused("llama_plain", kUnsupported, "rope_scaling", {{"rope_type", "axial"}},
                 {"axial", "yarn"});
  expect_refused("llama_plain", kUnsupported, "hidden_act", "mish", {"mish", "silu"});
}

}  // namespace
}  // namespace heed
