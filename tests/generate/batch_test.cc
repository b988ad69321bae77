#include <gtest/gtest.h>

#include "heed/base/cancel.h"
#include "heed/generate/generator.h"
#include "heed/generate/narrator.h"
#include "tests/expect_error.h"
#include "tests/letter_models.h"

namespace heed {
namespace {

using testing::LetterModel;

using Ids = std::vector<int32_t>;
constexpr auto kInvalid = ErrorCode::invalid_argument;

const TextGenerator& generator() {
  static const LetterModel model("gpt2_3x8");
  static const TextGenerator loaded = TextGenerator::load(model.path());
  return loaded;
}

void expect_same(const Generated& a, const Generated& b) {
  EXPECT_EQ(a.prompt_ids, b.prompt_ids);
  EXPECT_EQ(a.ids, b.ids);
  EXPECT_EQ(a.text, b.text);
  EXPECT_EQ(a.finish, b.finish);
  EXPECT_EQ(a.score, b.score);
  EXPECT_EQ(a.logprobs, b.logprobs);
}

TEST(Batch, EachTextIsWhatItIsAlone) {
  const std::vector<Ids> prompts = {{1, 2, 3}, {4}, {5, 6, 7, 8, 9, 10, 11}, {4}, Ids(20, 3)};
  const GenerateOptions options{.max_new_tokens = 12,
                                .rules = {.repetition_penalty = 1.2, .no_repeat_ngram_size = 3},
                                .sampling = {.temperature = 1.5, .top_k = 12},
                                .seed = 7,
                                .samples = 3,
                                .end_ids = Ids{22, 5}};
  const auto together = generator().batch(prompts, options);
  ASSERT_EQ(together.size(), 15U);
  for (size_t p = 0; p < prompts.size(); ++p) {
    const auto alone = generator().batch({prompts[p]}, options);
    for (size_t s = 0; s < 3; ++s) expect_same(together[3 * p + s], alone[s]);
    expect_same(together[3 * p], generator()(prompts[p], options));
  }
  EXPECT_NE(together[6].ids, together[7].ids) << "samples differ";
  expect_same(together[3], together[9]);
}

TEST(Batch, WholeCharactersComeTextByText) {
  GenerateOptions options{.max_new_tokens = 9, .sampling = {.temperature = 1.5}, .samples = 2};
  std::vector<std::string> told(4);
  std::vector<int> ended;
  options.on_text = [&](int64_t text, std::string_view piece) {
    told[static_cast<size_t>(text)] += piece;
  };
  options.on_end = [&](int64_t text, const Generated&) { ended.push_back(static_cast<int>(text)); };
  const auto written = generator().batch({{1, 2}, {3}}, options);
  for (size_t i = 0; i < 4; ++i) EXPECT_EQ(told[i], written[i].text);
  std::ranges::sort(ended);
  EXPECT_EQ(ended, (std::vector<int>{0, 1, 2, 3}));
}

TEST(Batch, ModelsOwnLogProbabilitiesComeWithAlternatives) {
  const GenerateOptions plain{.max_new_tokens = 6, .likeliest = 3};
  const Generated greedy = generator()(Ids{1, 2}, plain);
  ASSERT_EQ(greedy.likeliest.size(), greedy.ids.size());
  double sum = 0;
  for (size_t i = 0; i < greedy.ids.size(); ++i) {
    ASSERT_EQ(greedy.likeliest[i].size(), 3U);
    EXPECT_EQ(greedy.likeliest[i][0].id, greedy.ids[i]);
    EXPECT_EQ(greedy.likeliest[i][0].logprob, greedy.logprobs[i]);
    EXPECT_GE(greedy.likeliest[i][0].logprob, greedy.likeliest[i][1].logprob);
    sum += greedy.logprobs[i];
  }
  EXPECT_NEAR(greedy.score, sum / static_cast<double>(greedy.ids.size()), 1e-6);
  // rules and temperature change what is picked, not what the model says of it
  const Generated ruled = generator()(Ids{1, 2}, {.max_new_tokens = 1,
                                                  .rules = {.suppress_tokens = {greedy.ids[0]}},
                                                  .sampling = {.temperature = 9},
                                                  .likeliest = 3});
  EXPECT_EQ(ruled.likeliest[0][0].id, greedy.ids[0]);
  EXPECT_NE(ruled.ids[0], greedy.ids[0]);
  // a beam search tells the same of the same text
  const Generated beams = generator()(Ids{1, 2}, {.max_new_tokens = 6, .beams = 3, .likeliest = 2});
  ASSERT_EQ(beams.logprobs.size(), beams.ids.size());
  double score = 0;
  for (const float one : beams.logprobs) score += one;
  EXPECT_NEAR(beams.score, score / static_cast<double>(beams.ids.size()), 1e-5);
  EXPECT_EQ(beams.likeliest[0][0].id, greedy.ids[0]);
}

TEST(Batch, BeamsGiveTheirBestTexts) {
  const auto best =
      generator().batch({{1, 2}, {3}}, {.max_new_tokens = 6, .samples = 2, .beams = 4});
  ASSERT_EQ(best.size(), 4U);
  EXPECT_GE(best[0].score, best[1].score);
  EXPECT_EQ(best[2].prompt_ids, Ids{3});
}

TEST(Batch, AStopKeepsWhatWasWritten) {
  int seen = 0;
  GenerateOptions options{.max_new_tokens = 20};
  options.on_text = [&](int64_t, std::string_view) {
    if (++seen == 3) request_cancel();
  };
  const Generated written = generator()(Ids{1, 2}, options);
  EXPECT_EQ(written.finish, Finish::interrupted);
  EXPECT_EQ(to_string(written.finish), "interrupted");
  EXPECT_GE(written.ids.size(), 3U);
  EXPECT_LT(written.ids.size(), 20U);
  EXPECT_TRUE(generator()(Ids{1, 2}, {}).ids.empty()) << "before the first token";
  clear_cancel();
}

TEST(Batch, BadRequestsAreNamed) {
  const auto refuse = [](std::initializer_list<std::string_view> parts,
                         const GenerateOptions& options) {
    expect_error(kInvalid, parts, [&] { generator()(Ids{1}, options); });
  };
  refuse({"beams", "0"}, {.beams = 0});
  refuse({"at least one character"}, {.stop = {""}});
  refuse({"repetition-penalty", "0"}, {.rules = {.repetition_penalty = 0}});
  refuse({"min-new-tokens", "-1"}, {.rules = {.min_new_tokens = -1}});
  refuse({"suppress-tokens", "99"}, {.rules = {.suppress_tokens = {99}}});
  refuse({"max_length is 1", "give max-new-tokens"}, {.max_length = 1});
  std::vector<SequenceBias> all;
  for (int32_t id = 0; id < 23; ++id) all.push_back({{id}, -INFINITY});
  refuse({"no token can come next"}, {.rules = {.sequence_bias = all}});
  refuse({"no token can come next"}, {.rules = {.sequence_bias = all}, .beams = 2});
  refuse({"no token can come next"},
         {.rules = {.sequence_bias = all}, .sampling = {.temperature = 1}});
  const auto several = [](const GenerateOptions& options) { generator().batch({{1}}, options); };
  expect_error(kInvalid, {"one text, always", "2"}, [&] { several({.samples = 2}); });
  expect_error(kInvalid, {"at most 2 samples"}, [&] { several({.samples = 3, .beams = 2}); });
  expect_error(kInvalid, {"samples must be at least 1"}, [&] { several({.samples = 0}); });
}

/// The text that comes of the pieces, and how many of them were taken.
std::pair<std::string, int> narrate(const std::vector<std::string>& stop, const std::string& text,
                                    std::string* told) {
  const LetterModel model("gpt2_2x5");
  const auto tokenizer = Tokenizer::load(model.path());
  Narrator narrator(tokenizer, stop, [&](std::string_view piece) { *told += piece; });
  int taken = 0;
  for (const int32_t id : tokenizer->encode(text).ids) {
    ++taken;
    if (!narrator.add(id)) break;
  }
  return {narrator.finish(), taken};
}

TEST(Narrator, StopStringsEndATextWhereverTokensAreCut) {
  struct Case {
    std::vector<std::string> stop;
    std::string text, expected;
    int taken;
  };
  const std::vector<Case> cases = {{{"cd"}, "abcdef", "ab", 4},     {{"aab"}, "aaabc", "a", 4},
                                   {{"x", "c"}, "abcd", "ab", 3},   {{"abc", "b"}, "abcd", "a", 2},
                                   {{"bd"}, "abcbd", "abc", 5},     {{"uu"}, "abu", "abu", 3},
                                   {{"abab"}, "abaabab", "aba", 7}, {{"a"}, "abc", "", 1}};
  for (const Case& one : cases) {
    std::string told;
    const auto [text, taken] = narrate(one.stop, one.text, &told);
    EXPECT_EQ(text, one.expected) << one.text;
    EXPECT_EQ(told, one.expected) << one.text;
    EXPECT_EQ(taken, one.taken) << one.text;
  }
}

}  // namespace
}  // namespace heed
