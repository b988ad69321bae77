#include "heed/models/gpt2.h"

#include <gtest/gtest.h>

#include "heed/base/parallel.h"
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

// Sums of 3 blocks reach 10, after some 100 roundings of 6e-8 each.
constexpr double kTolerance = 1e-4;
constexpr double kWeightTolerance = 1e-5;

const std::vector<std::string> kGpt2s = {"gpt2_2x5", "gpt2_3x8", "gpt2_1x16"};

TEST(Gpt2, EqualsTransformersOnOddShapes) {
  for (const std::string& name : kGpt2s) {
    const auto model = load_causal_model(golden_folder() / name);
    const Golden expected(name + "/expected.safetensors");
    const Tensor ids = expected["input_ids"], states = expected["hidden_states"];
    const Tensor hidden = model->hidden(ids);
    expect_close(hidden, states.select(0, states.size(0) - 1), kTolerance, name);
    expect_close(model->logits(hidden), expected["logits"], kTolerance, name);
    EXPECT_EQ(model->output_weight().size(0), model->facts().vocab);
  }
}

TEST(Gpt2, ShowsTransformersStatesAndMapsAsAnEncoder) {
  for (const std::string& name : kGpt2s) {
    const Golden expected(name + "/expected.safetensors");
    const Tensor ids = expected["input_ids"];
    ForwardRequest request{.want = {"hidden_states", "attentions", "logits"}};
    for (int64_t b = 0; b < ids.size(0); ++b) {
      const auto row = ids.select(0, b).span<int32_t>();
      request.ids.emplace_back(row.begin(), row.end());
    }
    const auto arrays = forward(*load_encoder(golden_folder() / name), request);
    expect_close(find_tensor(arrays, "hidden_states"), expected["hidden_states"], kTolerance, name);
    expect_close(find_tensor(arrays, "logits"), expected["logits"], kTolerance, name);
    expect_close(find_tensor(arrays, "attentions"), expected["attentions"], kWeightTolerance, name);
  }
}

TEST(Gpt2, ATokenDependsOnThoseBeforeItAlone) {
  const int before = num_threads();
  for (const std::string& name : kGpt2s) {
    const auto model = load_causal_model(golden_folder() / name);
    const Tensor ids = Golden(name + "/expected.safetensors")["input_ids"];
    const Tensor whole = model->hidden(ids);
    for (const int threads : {1, 2, 3}) {
      set_num_threads(threads);
      for (const int64_t tokens : {1, 4, 11}) {
        const Tensor alone = model->hidden(ids.slice(0, 1, 2).slice(1, 0, tokens).contiguous());
        expect_same_bits(alone, whole.slice(0, 1, 2).slice(1, 0, tokens), name);
      }
    }
    set_num_threads(before);
  }
}

TEST(Gpt2, BadInputIsNamed) {
  const auto model = load_causal_model(golden_folder() / "gpt2_2x5");  // 24 positions, 23 words
  const auto run = [&](const std::vector<int32_t>& ids) {
    model->hidden(Tensor::from(ids, {1, static_cast<int64_t>(ids.size())}));
  };
  expect_error(ErrorCode::invalid_argument, {"25 tokens", "24 positions"},
               [&] { run(std::vector<int32_t>(25, 1)); });
  expect_error(ErrorCode::invalid_argument, {"23"}, [&] { run({1, 23}); });
  expect_error(ErrorCode::unsupported, {"gpt2", "pooler"}, [&] { model->pooled(Tensor()); });
}

void expect_refused(ErrorCode code, const char* field, const Json& value,
                    std::initializer_list<std::string_view> parts) {
  testing::expect_refused("gpt2_2x5", {code, field, value, parts},
                          [](const auto& folder) { return load_causal_model(folder); });
}

TEST(Gpt2Config, EveryFieldIsChecked) {
  constexpr auto kCorrupt = ErrorCode::corrupt_data;
  expect_refused(kCorrupt, "n_embd", "10", {"n_embd", "integer", "\"10\""});
  expect_refused(kCorrupt, "n_embd", 11, {"n_embd", "multiple", "2", "11"});
  expect_refused(kCorrupt, "vocab_size", 0, {"vocab_size", "0"});
  expect_refused(kCorrupt, "vocab_size", 24, {"wte.weight must be [24, 10] but is [23, 10]"});
  expect_refused(kCorrupt, "n_layer", -1, {"n_layer", "-1"});
  expect_refused(kCorrupt, "n_head", 0, {"n_head"});
  expect_refused(kCorrupt, "n_inner", 0, {"n_inner"});
  expect_refused(kCorrupt, "n_positions", true, {"n_positions"});
  expect_refused(kCorrupt, "layer_norm_epsilon", -1e-5, {"layer_norm_epsilon"});
  expect_refused(kCorrupt, "activation_function", 3, {"activation_function"});
  expect_refused(kCorrupt, "scale_attn_weights", 1, {"scale_attn_weights"});
  expect_refused(kCorrupt, "tie_word_embeddings", "no", {"tie_word_embeddings"});
  expect_refused(ErrorCode::not_found, "n_layer", 3, {"transformer.h.2", "transformer.h."});
  expect_refused(ErrorCode::not_found, "tie_word_embeddings", false, {"lm_head.weight"});
  constexpr auto kUnsupported = ErrorCode::unsupported;
  expect_refused(kUnsupported, "activation_function", "mish", {"mish", "gelu"});
  expect_refused(kUnsupported, "add_cross_attention", true, {"cross-attention"});
  expect_refused(kUnsupported, "model_type", "bloom", {"bloom", "it has: gpt2"});
}

TEST(Registry, TellsOfTheKindThatHeedHas) {
  EXPECT_EQ(model_kind(golden_folder() / "bert_3x13"), ModelKind::encoder);
  EXPECT_EQ(model_kind(golden_folder() / "gpt2_2x5"), ModelKind::causal);
  EXPECT_EQ(model_kind(golden_folder() / "transformer_2x6"), ModelKind::encoder_decoder);
  expect_error(ErrorCode::unsupported,
               {"bert", "a causal language model", "Heed has it as an encoder"},
               [&] { load_causal_model(golden_folder() / "bert_3x13"); });
}

}  // namespace
}  // namespace heed
