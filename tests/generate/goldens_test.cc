#include <gtest/gtest.h>

#include <cmath>

#include "heed/generate/generation_config.h"
#include "heed/generate/rules.h"
#include "heed/models/config.h"
#include "tests/golden.h"
#include "tests/letter_models.h"

// What transformers makes of scores, and the texts that it writes
// (tools/make_generation_goldens.py).

namespace heed {
namespace {

using testing::golden_folder;
using testing::LetterModel;

using Ids = std::vector<int32_t>;

const Json& golden() {
  static const Json all = read_json(golden_folder() / "generation.json");
  return all;
}

GenerateOptions options_of(const Json& one) {
  return read_generation_config(ConfigReader(one["options"], "the golden"));
}

TEST(GenerationGoldens, RulesAndChoicesMakeOfScoresWhatTransformersMakes) {
  const Ids end = golden()["end"].get<Ids>();
  int rules = 0, choices = 0;
  for (const Json& one : golden()["scores"]) {
    const GenerateOptions options = options_of(one);
    auto scores = one["logits"].get<std::vector<float>>();
    const Ids ids = one["ids"].get<Ids>();
    apply_rules(scores,
                {.ids = ids,
                 .prompt_tokens = one["prompt_tokens"],
                 .most_tokens = one["most_tokens"],
                 .end_ids = end},
                options.rules);
    if (options.rules.renormalize_logits) renormalize(scores);
    if (one.contains("picks")) {
      for (const Json& pick : one["picks"]) {
        EXPECT_EQ(pick_token(scores, options.sampling, pick[0]), pick[1].get<int32_t>()) << one;
        ++choices;
      }
      continue;
    }
    for (size_t i = 0; i < scores.size(); ++i) {
      const Json& expected = one["scores"][i];
      if (expected.is_null()) {
        EXPECT_EQ(scores[i], -INFINITY) << i << " " << one;
      } else {
        EXPECT_NEAR(scores[i], expected.get<double>(), 1e-6) << i << " " << one;
      }
    }
    ++rules;
  }
  EXPECT_GT(rules, 50);
  EXPECT_GT(choices, 1500);
}

TEST(GenerationGoldens, TextsAreThoseThatTransformersWrites) {
  std::map<std::string, TextGenerator> models;
  for (const char* name : {"gpt2_2x5", "gpt2_3x8", "gpt2_1x16"}) {
    const LetterModel model(name);
    models[name] = TextGenerator::load(model.path());
  }
  std::map<std::string, int> kinds;
  for (const Json& one : golden()["texts"]) {
    GenerateOptions options = options_of(one);
    options.seed = one["seed"];
    options.end_ids = {22};
    const TextGenerator& generator = models.at(one["model"].get<std::string>());
    const Generated written = generator(one["prompt"].get<Ids>(), options);
    EXPECT_EQ(written.ids, one["ids"].get<Ids>()) << one;
    if (one.contains("score")) {
      EXPECT_NEAR(written.score, one["score"].get<double>(), 1e-4) << one;
    }
    for (const std::string& stop : options.stop) {
      EXPECT_EQ(written.text.find(stop), std::string::npos) << one;
    }
    ++kinds[options.beams > 1 ? "beams" : options.sampling.temperature > 0 ? "drawn" : "greedy"];
  }
  EXPECT_GT(kinds["greedy"], 30);
  EXPECT_GT(kinds["beams"], 30);
  EXPECT_GT(kinds["drawn"], 80);
}

}  // namespace
}  // namespace heed
