#include "heed/train/model_start.h"

#include <gtest/gtest.h>

#include "heed/io/json.h"
#include "heed/text/pipeline.h"
#include "tests/letter_models.h"
#include "tests/support.h"

namespace heed {
namespace {

// tools/make_config_goldens.py
TEST(ModelStart, DropoutThatAConfigLeavesOutIsTransformers) {
  int cases = 0;
  const Json golden = read_json(testing::golden_folder() / "config_defaults.json");
  for (const Json& one : golden["cases"]) {
    if (!one.contains("dropout")) continue;
    Json left_out = one["config"], said = one["config"];
    if (one["model_type"] == "distilbert") {
      left_out["architectures"] = said["architectures"] = {"DistilBertForSequenceClassification"};
    }
    said.update(one["dropout"]);
    set_usual_dropout(left_out);
    const DropoutRates found = dropout_rates_of(left_out), expected = dropout_rates_of(said);
    EXPECT_EQ(found.hidden, expected.hidden) << said;
    EXPECT_EQ(found.attention, expected.attention) << said;
    EXPECT_EQ(found.feed_forward, expected.feed_forward) << said;
    EXPECT_EQ(found.head, expected.head) << said;
    ++cases;
  }
  EXPECT_GE(cases, 19);
}

TEST(ModelStart, DropoutThatAConfigSaysStays) {
  Json config = {{"model_type", "bert"}, {"hidden_dropout_prob", 0.3}};
  set_usual_dropout(config);
  EXPECT_EQ(config["hidden_dropout_prob"], 0.3);
  EXPECT_EQ(config["attention_probs_dropout_prob"], 0.1);
}

TEST(ModelStart, ANewEncoderHasThePaddingOfItsTokenizerOrNone) {
  const auto padding_of = [](const Json& tokenizer) -> Json {
    return start_encoder({}, *tokenizer_from_json(tokenizer.dump(), "test"), HeadTask::classify,
                         {"yes", "no"})
        .config.at("pad_token_id");
  };
  EXPECT_EQ(padding_of(testing::letter_tokenizer(3, {"<pad>"})), 3);
  EXPECT_EQ(padding_of(testing::letter_tokenizer(3, {"<s>"})), nullptr);  // id 0 is a letter's
}

}  // namespace
}  // namespace heed
