#include "heed/lens/live_look.h"

#include <gtest/gtest.h>

#include "heed/generate/stepper.h"
#include "heed/lens/id_text.h"
#include "heed/lens/look.h"
#include "heed/lens/recorder.h"
#include "heed/models/registry.h"
#include "tests/golden.h"
#include "tests/letter_models.h"

namespace heed {
namespace {

using testing::LetterModel;

using Ids = std::vector<int32_t>;

constexpr float kClose = 1e-5f;  // one token's weights are summed in another order than a text's

/// [L, H, T, T], by reading the text anew.
Tensor weights_of(const CausalModel& model, const Ids& ids) {
  Recorder recorder({.report = {}, .weights = true});
  model.hidden(Tensor::from(ids, {1, std::ssize(ids)}), {.observer = &recorder});
  return recorder.weights();
}

TEST(LiveLook, TellsTheRowThatTheNextTokenIsWrittenFrom) {
  for (const std::string name : {"gpt2_2x5", "llama_plain", "mistral"}) {
    const auto model = load_causal_model(testing::golden_folder() / name);
    const auto [layers, heads] = std::pair(model->facts().layers, model->facts().heads);
    LiveLook all, one(1, heads - 1);
    for (LiveLook* live : {&all, &one}) {
      CachedStepper stepper(model), unwatched(model);
      stepper.watch(live);
      Ids text{3, 1, 4, 1};  // at most kLiveTop tokens: nothing is left out
      for (const int32_t next : {5, 9, 2, 6}) {
        const std::vector<int64_t> parents =
            text.size() == 4 ? std::vector<int64_t>() : std::vector<int64_t>{0};
        testing::expect_same_bits(stepper.next({text}, parents), unwatched.next({text}, parents),
                                  name);
        const Tensor weights = weights_of(*model, text);
        const int64_t last = std::ssize(text) - 1;
        std::vector<float> expected(text.size());
        for (int64_t l = 0; l < layers; ++l) {
          for (int64_t h = 0; h < heads; ++h) {
            if (live == &one && (l != 1 || h != heads - 1)) continue;
            const auto rows = static_cast<float>(live == &one ? 1 : layers * heads);
            for (int64_t s = 0; s <= last; ++s) {
              expected[static_cast<size_t>(s)] += weights.at({l, h, last, s}) / rows;
            }
          }
        }
        std::vector<float> found(text.size());
        for (const auto& [key, weight] : live->keys()) found[static_cast<size_t>(key)] = weight;
        for (size_t s = 0; s < text.size(); ++s) EXPECT_NEAR(found[s], expected[s], kClose) << name;
        text.push_back(next);
      }
    }
  }
}

class IdTexts : public ::testing::Test {
 protected:
  const LetterModel model_{"gpt2_2x5"};  // 0 is a space, 1 to 21 are a to u, 22 ends a text
  const std::shared_ptr<const Tokenizer> tokenizer_ = Tokenizer::load(model_.path());
};

TEST_F(IdTexts, AreCutIntoWordsAsTheyCome) {
  IdText text(tokenizer_);
  text.set(Ids{22, 1, 2, 0, 3});
  EXPECT_EQ(text.text(), "<|endoftext|>ab c");
  EXPECT_EQ(text.encoding().words, (Ids{0, 1, 1, 2, 3}));
  EXPECT_TRUE(text.encoding().special[0]);
  EXPECT_EQ(text.word_name(0), "<|endoftext|>");
  EXPECT_EQ(text.word_name(2), "ab");
  EXPECT_EQ(text.word_name(3), "");
  EXPECT_EQ(text.word(2), (Span{1, 3}));
  text.set(Ids{22, 1, 2, 0, 3, 4});  // goes on
  EXPECT_EQ(text.word_name(4), "cd");
  text.set(Ids{5, 5});  // another text
  EXPECT_EQ(text.text(), "ee");
  EXPECT_EQ(text.encoding().byte_offsets[1], (Span{1, 2}));
}

TEST_F(IdTexts, AreLookedAtAsTextsAre) {
  const auto model = load_causal_model(model_.path());
  const Ids ids{1, 2, 0, 3, 22, 4};
  const Look seen = look(*model, read_ids(tokenizer_, ids));
  ASSERT_EQ(seen.words.size(), 5u);
  EXPECT_EQ(seen.words[0].name, "ab");
  EXPECT_TRUE(seen.words[3].special);  // <|endoftext|>
  EXPECT_TRUE(seen.sinks()[3]);
  testing::expect_same_bits(seen.weights, weights_of(*model, ids), "weights");
  const Look reported =
      look(*model, read_ids(tokenizer_, ids, 0), {.most_whole = 0, .states = false});
  EXPECT_FALSE(reported.weights);
  EXPECT_FALSE(reported.states);
  EXPECT_FALSE(reported.sinks()[3]);
  for (int64_t i = 0; i < 6; ++i) {
    const int64_t key = reported.reports[1].top_keys.at<int64_t>({0, 1, 5, i});
    EXPECT_NEAR(reported.reports[1].top_weights.at({0, 1, 5, i}), seen.weights.at({1, 1, 5, key}),
                kClose);
  }
}

TEST(MostWholeTokens, AreFewerWhereHeadsAreMany) {
  EXPECT_EQ(most_whole_tokens({.layers = 6, .heads = 12}), 2048);
  EXPECT_EQ(most_whole_tokens({.layers = 12, .heads = 12}), 2048);
  EXPECT_EQ(most_whole_tokens({.layers = 30, .heads = 9}), 1495);
}

}  // namespace
}  // namespace heed
