#include "heed/generate/score.h"

#include <gtest/gtest.h>

#include "heed/generate/sampling.h"
#include "heed/models/registry.h"
#include "tests/expect_error.h"
#include "tests/golden.h"
#include "tests/interrupted.h"

namespace heed {
namespace {

using testing::Golden;
using testing::golden_folder;

using Ids = std::vector<int32_t>;

std::shared_ptr<const CausalModel> gpt2() {
  return load_causal_model(golden_folder() / "gpt2_2x5");
}

TEST(Score, LogProbabilitiesAreThoseOfTransformersLogits) {
  const Golden golden("gpt2_2x5/expected.safetensors");
  const Tensor ids = golden["input_ids"], logits = golden["logits"];  // [B, T], [B, T, V]
  const auto model = gpt2();
  for (int64_t b = 0; b < ids.size(0); ++b) {
    const auto row = ids.select(0, b).span<int32_t>();
    const TextScore score = score_text(*model, Ids(row.begin(), row.end()));
    ASSERT_EQ(score.logprobs.size(), row.size());
    EXPECT_TRUE(std::isnan(score.logprobs[0]));
    double sum = 0;
    for (int64_t t = 1; t < ids.size(1); ++t) {
      const Tensor before = logits.select(0, b).select(0, t - 1);
      const double expected = before.at({row[static_cast<size_t>(t)]}) - log_sum_exp(before);
      EXPECT_NEAR(score.logprobs[static_cast<size_t>(t)], expected, 1e-4);
      sum += expected;
    }
    EXPECT_EQ(score.tokens, ids.size(1) - 1);
    EXPECT_NEAR(score.sum, sum, 1e-3);
    EXPECT_NEAR(score.perplexity(), std::exp(-sum / 10), 1e-3 * score.perplexity());
  }
}

TEST(Score, LongTextsAreReadInWindowsThatOverlap) {
  const auto model = gpt2();  // 24 positions
  Ids ids;
  for (int32_t i = 0; i < 61; ++i) ids.push_back(i * 7 % 23);
  int64_t told = 0;
  const TextScore score = score_text(
      *model, ids, {.context = 9, .stride = 4, .progress = [&](int64_t done, int64_t all) {
                      EXPECT_GT(done, told);
                      EXPECT_EQ(all, 61);
                      told = done;
                    }});
  EXPECT_EQ(told, 61);
  EXPECT_EQ(score.tokens, 60);
  for (int64_t end = 9, scored = 1; scored < 61;
       scored = end, end = std::min<int64_t>(61, end + 4)) {
    const auto at = [&](int64_t place) { return ids.begin() + place; };
    const TextScore window = score_text(*model, Ids(at(end - 9), at(end)));
    for (int64_t i = scored; i < end; ++i) {
      EXPECT_EQ(score.logprobs[static_cast<size_t>(i)],
                window.logprobs[static_cast<size_t>(i - end + 9)]);
    }
  }
  EXPECT_EQ(score_text(*model, ids).tokens, 60) << "the model's positions bound the context";
}

TEST(Score, ATextIsInterruptedBetweenBlocks) {
  const testing::Interrupted model(gpt2());
  expect_error(ErrorCode::cancelled, {}, [&] { score_text(model, {1, 2, 3}); });
  clear_cancel();
  for (const char* name : {"bart", "recurrent_lstm"}) {
    const testing::InterruptedPair pair(load_encoder_decoder(golden_folder() / name));
    expect_error(ErrorCode::cancelled, {}, [&] { score_target(pair, {1, 2, 3}, 2, {4, 5}); });
    clear_cancel();
  }
}

TEST(Score, BadRequestsAreNamed) {
  const auto model = gpt2();
  constexpr auto kInvalid = ErrorCode::invalid_argument;
  expect_error(kInvalid, {"empty"}, [&] { score_text(*model, {}); });
  expect_error(kInvalid, {"context", "1"}, [&] { score_text(*model, {1}, {.context = 1}); });
  expect_error(kInvalid, {"stride", "1 to 7", "8"},
               [&] { score_text(*model, {1}, {.context = 8, .stride = 8}); });
  expect_error(kInvalid, {"id 99", "place 1", "[0, 23)"}, [&] { score_text(*model, {1, 99}); });
  EXPECT_TRUE(std::isnan(score_text(*model, {1}).perplexity()));
}

TEST(Score, ATargetsIdsAreTheModels) {
  for (const char* name : {"t5_relu", "marian_apart"}) {
    const auto model = load_encoder_decoder(golden_folder() / name);
    const auto most = static_cast<int32_t>(model->facts().target_vocab);
    EXPECT_EQ(score_target(*model, {1, 2}, 0, {5, most - 1}).tokens, 2);
    for (const int32_t id : {most, 999999, -1}) {  // the last one is in no table of words
      expect_error(ErrorCode::invalid_argument,
                   {"score", "id " + std::to_string(id), "place 1", std::to_string(most)}, [&] {
                     score_target(*model, {1, 2}, 0, {5, id});
                   });
    }
    expect_error(ErrorCode::invalid_argument, {"empty"}, [&] {
      score_target(*model, {1, 2}, 0, {});
    });
  }
}

}  // namespace
}  // namespace heed
