// BERT's relatives and the heads of all of them, against transformers
// (tools/make_encoder_goldens.py).

#include <gtest/gtest.h>

#include "heed/models/heads.h"
#include "heed/ops/activation.h"
#include "heed/tasks/forward.h"
#include "tests/expect_error.h"
#include "tests/golden_rows.h"
#include "tests/models/changed_config.h"
#include "tests/random_tensor.h"

namespace heed {
namespace {

using testing::expect_close;
using testing::expect_same_bits;
using testing::Golden;
using testing::golden_folder;
using testing::lengths_of;
using testing::rows_of;

// States are near 1 and pass at most 4 layers of some 100 roundings of 6e-8 each; weights are at
// most 1 and follow scores near 10; logits reach 10.
constexpr double kStateTolerance = 2e-5;
constexpr double kWeightTolerance = 1e-5;
constexpr double kLogitTolerance = 1e-4;

struct Case {
  explicit Case(const std::filesystem::path& folder)
      : model(load_with_heads(folder)),
        heads(head_outputs(model)),
        expected(folder / "expected.safetensors") {
    request.ids = rows_of(expected["input_ids"], lengths_of(expected));
    request.type_ids = rows_of(expected.maybe("token_type_ids"), lengths_of(expected));
  }

  Tensor output(const std::string& name) {
    request.want = {name};
    return forward(*model.encoder, request, heads).back().second;
  }

  EncoderWithHeads model;
  std::vector<HeadOutput> heads;
  Golden expected;
  ForwardRequest request;
};

std::vector<std::filesystem::path> all_cases() {
  std::vector<std::filesystem::path> found;
  for (const auto& entry : std::filesystem::directory_iterator(golden_folder())) {
    if (entry.path().filename().string().starts_with("encoder_")) found.push_back(entry.path());
  }
  return found;
}

TEST(Encoders, EveryHeadEqualsTransformers) {
  const auto cases = all_cases();
  ASSERT_EQ(cases.size(), 32u);
  for (const auto& folder : cases) {
    Case one(folder);
    ASSERT_FALSE(one.heads.empty()) << folder;
    for (const std::string& name : one.expected.names()) {
      if (!name.ends_with("logits")) continue;
      expect_close(one.output(name), one.expected[name], kLogitTolerance,
                   folder.filename().string() + " " + name);
    }
  }
}

TEST(Encoders, StatesAndAttentionsEqualTransformers) {
  for (const char* family : {"roberta", "distilbert", "electra", "albert"}) {
    Case one(golden_folder() / ("encoder_" + std::string(family) + "_fill"));
    expect_close(one.output("hidden_states"), one.expected["hidden_states"], kStateTolerance,
                 family);
    expect_close(one.output("attentions"), one.expected["attentions"], kWeightTolerance, family);
  }
}

TEST(Encoders, BatchMatesAndPaddingChangeNoBit) {
  for (const char* family : {"roberta", "distilbert", "electra", "albert"}) {
    Case one(golden_folder() / ("encoder_" + std::string(family) + "_fill"));
    const Tensor together = one.output("logits");
    const ForwardRequest all = one.request;
    for (size_t i = 0; i < all.ids.size(); ++i) {
      one.request.ids = {all.ids[i]};
      if (!all.type_ids.empty()) one.request.type_ids = {all.type_ids[i]};
      const auto length = static_cast<int64_t>(all.ids[i].size());
      expect_same_bits(one.output("logits").select(0, 0),
                       together.select(0, static_cast<int64_t>(i)).slice(0, 0, length), family);
    }
  }
}

TEST(Encoders, RobertaReadsTwoTokensLessThanItHasPositions) {
  Case one(golden_folder() / "encoder_roberta_fill");
  EXPECT_EQ(one.model.encoder->facts().max_tokens, 35);
  one.request.ids = {std::vector<int32_t>(35, 7)};
  EXPECT_EQ(one.output("logits").size(1), 35);
  one.request.ids = {std::vector<int32_t>(36, 7)};
  expect_error(ErrorCode::invalid_argument, {"roberta", "36 tokens", "35 positions"},
               [&] { one.output("logits"); });
}

TEST(Encoders, AHeadThatIsNotThereIsRefused) {
  const auto folder = golden_folder() / "encoder_bert_answer";
  expect_error(ErrorCode::not_found,
               {"classifier.weight", "ForSequenceClassification", "BertForQuestionAnswering"},
               [&] { load_head(folder, HeadTask::classify); });
  expect_error(ErrorCode::not_found, {"ForTokenClassification", "BertForSequenceClassification"},
               [&] { load_head(golden_folder() / "encoder_bert_classify", HeadTask::tag); });
  expect_error(ErrorCode::unsupported, {"roberta", "ForNextSentencePrediction"}, [&] {
    load_head(golden_folder() / "encoder_roberta_tag", HeadTask::next_sentence);
  });
  expect_error(ErrorCode::unsupported, {"logits"},
               [&] { check_wanted(*load_encoder(folder), {"logits"}); });
  Case one(folder);
  expect_error(ErrorCode::unsupported, {"pooler"}, [&] { one.output("pooler_output"); });
}

TEST(Encoders, ALieAboutTheArchitectureLeavesTheStates) {
  const testing::ChangedGolden copy(
      "encoder_bert_tag", [](Json& config) { config["architectures"] = {"BertForMaskedLM"}; });
  const EncoderWithHeads model = load_with_heads(copy.path());
  EXPECT_TRUE(model.heads.empty());
  EXPECT_EQ(model.encoder->facts().width, 12);
}

TEST(Encoders, WhatAnAlbertsConfigLeavesOutIsTransformers) {
  const testing::ChangedGolden copy("encoder_albert_fill", [](Json& config) {
    for (const char* field : {"hidden_act", "layer_norm_eps", "type_vocab_size"}) {
      config.erase(field);
    }
  });
  Case one(copy.path());
  expect_close(one.output("hidden_states"), one.expected["hidden_states"], kStateTolerance,
               "hidden_states");
  expect_close(one.output("logits"), one.expected["logits"], kLogitTolerance, "logits");
}

TEST(Encoders, AnElectrasSummaryIsTheConfigs) {
  const auto with = [](const char* field, const Json& value) {
    const testing::ChangedGolden copy("encoder_electra_choose",
                                      [&](Json& config) { config[field] = value; });
    const Case one(golden_folder() / "encoder_electra_choose");
    return load_head(copy.path(), HeadTask::choose)
        ->features_of(testing::random_tensor({2, 3, one.model.encoder->facts().width}, 1), {});
  };
  const Tensor plain = with("summary_activation", nullptr);
  for (const char* name : {"gelu", "tanh"}) {
    expect_close(with("summary_activation", name), activate(plain, activation_from_name(name)),
                 1e-6, name);
  }
  const std::vector<std::pair<const char*, Json>> others = {
      {"summary_type", "last"}, {"summary_use_proj", false}, {"summary_proj_to_labels", true}};
  for (const auto& other : others) {
    expect_error(ErrorCode::unsupported, {"config.json", "summary_type"},
                 [&] { with(other.first, other.second); });
  }
}

TEST(Encoders, LabelsThatAConfigLeavesOutHaveTransformersNames) {
  EXPECT_EQ(read_labels(ConfigReader(Json::object(), "it")),
            (std::vector<std::string>{"LABEL_0", "LABEL_1"}));
  EXPECT_EQ(read_labels(ConfigReader({{"num_labels", 1}}, "it")),
            (std::vector<std::string>{"LABEL_0"}));
}

}  // namespace
}  // namespace heed
