#include "heed/generate/decode.h"

#include <gtest/gtest.h>

#include <set>

#include "heed/base/parallel.h"
#include "heed/generate/beam_search.h"
#include "heed/models/registry.h"
#include "tests/expect_error.h"
#include "tests/golden.h"

namespace heed {
namespace {

using testing::Golden;
using testing::golden_folder;

using Ids = std::vector<int32_t>;

const std::vector<std::string> kGpt2s = {"gpt2_2x5", "gpt2_3x8", "gpt2_1x16"};
const std::vector<std::string> kTransformers = {"transformer_2x6", "transformer_3x7",
                                                "transformer_1x12"};

std::shared_ptr<const CausalModel> gpt2(const std::string& name) {
  return load_causal_model(golden_folder() / name);
}

EarlyStopping early_stopping_of(const Json& value) {
  if (value.is_string()) return EarlyStopping::never;
  return value.get<bool>() ? EarlyStopping::on : EarlyStopping::off;
}

TEST(Decode, WritesWhatTransformersWritesGreedily) {
  for (const std::string& name : kGpt2s) {
    int cases = 0;
    for (const Json& one : Golden(name + "/expected.safetensors").metadata("generated")) {
      if (one["beams"] != 1) continue;
      CachedStepper stepper(gpt2(name));
      const Written written =
          decode(stepper, one["prompt"].get<Ids>(),
                 {.max_new_tokens = one["max_new_tokens"], .end_ids = one["end"].get<Ids>()});
      EXPECT_EQ(written.ids, one["ids"].get<Ids>()) << name << " " << one;
      ++cases;
    }
    EXPECT_EQ(cases, 3);
  }
}

TEST(BeamSearch, WritesWhatTransformersWrites) {
  for (const std::string& name : kGpt2s) {
    int cases = 0;
    for (const Json& one : Golden(name + "/expected.safetensors").metadata("generated")) {
      if (one["beams"] == 1) continue;
      CachedStepper stepper(gpt2(name));
      const Ids end = one["end"].get<Ids>();
      const auto found = beam_search(stepper, one["prompt"].get<Ids>(),
                                     {.beams = one["beams"],
                                      .length_penalty = one["length_penalty"],
                                      .early_stopping = early_stopping_of(one["early_stopping"]),
                                      .max_new_tokens = one["max_new_tokens"],
                                      .end_ids = end});
      ASSERT_EQ(std::ssize(found), one["beams"].get<int64_t>());
      EXPECT_EQ(found[0].ids, one["ids"].get<Ids>()) << name << " " << one;
      const double score = one["score"];
      EXPECT_NEAR(found[0].score, score, 1e-5 * std::max(1.0, std::abs(score))) << name;
      const bool ended = std::ranges::find(end, found[0].ids.back()) != end.end();
      EXPECT_EQ(found[0].finish, ended ? Finish::stop : Finish::length);
      ++cases;
    }
    EXPECT_EQ(cases, 36);
  }
}

/// The best of all texts of at most `most` tokens after ids, by the sum of log-probabilities.
void try_all(Stepper& stepper, const Ids& ids, double score, size_t most, int32_t end,
             Written* best) {
  const Tensor logits = stepper.next({ids}, {});
  const double whole = log_sum_exp(logits);
  for (int32_t id = 0; id < logits.size(1); ++id) {
    Ids longer = ids;
    longer.push_back(id);
    const double sum = score + logits.at({0, id}) - whole;
    if (id == end || longer.size() > most) {
      if (best->ids.empty() || sum > best->score) *best = {longer, Finish::length, sum};
    } else {
      try_all(stepper, longer, sum, most, end, best);
    }
  }
}

TEST(BeamSearch, FindsTheBestOfAllTextsOfATranslatorWithEnoughBeams) {
  for (const std::string& name : kTransformers) {
    const auto model = load_encoder_decoder(golden_folder() / name);
    MemoryStepper stepper(model, model->encode(EncoderInput::from_rows({{3, 9, 4, 2}})));
    Written best;
    try_all(stepper, {1}, 0, 3, 2, &best);
    const auto found = beam_search(stepper, {1},
                                   {.beams = 23 * 23,
                                    .length_penalty = 0,
                                    .early_stopping = EarlyStopping::never,
                                    .max_new_tokens = 3,
                                    .end_ids = {2}});
    EXPECT_EQ(found[0].ids, Ids(best.ids.begin() + 1, best.ids.end())) << name;
    EXPECT_NEAR(found[0].score, best.score, 1e-5) << name;
  }
}

TEST(BeamSearch, AStopTakesEachTokenOnceAndItsCopiesGoOnApart) {
  constexpr int64_t kBeams = 3, kSteps = 12;
  struct Seen {
    int64_t taken = 0;
    std::set<Ids> texts;
  } seen;
  CachedStepper stepper(gpt2("gpt2_3x8"));
  BeamOptions options{.beams = kBeams, .max_new_tokens = kSteps};
  const auto plain = beam_search(stepper, {1, 2}, options);
  options.stops = [&seen, text = Ids()](int32_t id) mutable {
    ++seen.taken;
    text.push_back(id);
    seen.texts.insert(text);
    return false;
  };
  const auto found = beam_search(stepper, {1, 2}, options);
  EXPECT_LE(seen.taken, 2 * kBeams * kSteps);
  ASSERT_EQ(found.size(), plain.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].ids, plain[i].ids);
    EXPECT_TRUE(seen.texts.contains(found[i].ids)) << i;
  }
  // a text that ends so is one that was found
  const Ids first(plain[0].ids.begin(), plain[0].ids.begin() + 4);
  options.stops = [&first, text = Ids()](int32_t id) mutable {
    text.push_back(id);
    return text == first;
  };
  options.early_stopping = EarlyStopping::never;
  options.length_penalty = 0;  // a short text is as good as a long one
  const auto stopped = beam_search(stepper, {1, 2}, options);
  const auto at = std::ranges::find(stopped, first, &Written::ids);
  ASSERT_NE(at, stopped.end());
  EXPECT_EQ(at->finish, Finish::stop);
}

TEST(BeamSearch, OneBeamThatStopsEarlyIsGreedy) {
  for (const std::string& name : kGpt2s) {
    CachedStepper stepper(gpt2(name));
    const Written greedy = decode(stepper, {1, 2}, {.max_new_tokens = 8});
    const auto found =
        beam_search(stepper, {1, 2}, {.beams = 1, .length_penalty = 0, .max_new_tokens = 8});
    EXPECT_EQ(found[0].ids, greedy.ids) << name;
    EXPECT_NEAR(found[0].score, greedy.score, 1e-5) << name;
  }
}

TEST(Decode, ASeedWritesTheSameTextAtAnyNumberOfThreads) {
  const int before = num_threads();
  CachedStepper stepper(gpt2("gpt2_3x8"));
  const auto write = [&](uint64_t seed) {
    return decode(stepper, {1, 2},
                  {.max_new_tokens = 20, .sampling = {.temperature = 1.5}, .seed = seed})
        .ids;
  };
  const Ids one = write(1);
  EXPECT_EQ(one.size(), 20u);
  EXPECT_NE(one, write(2));
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    EXPECT_EQ(write(1), one);
  }
  set_num_threads(before);
}

TEST(Decode, TellsOfEachTokenAndStopsAtTheEndOfThePositions) {
  CachedStepper stepper(gpt2("gpt2_2x5"));  // 24 positions
  Ids seen;
  const Written written =
      decode(stepper, Ids(20, 5), {.max_new_tokens = 50, .on_token = [&](int64_t, int32_t id) {
                                     seen.push_back(id);
                                     return true;
                                   }});
  EXPECT_EQ(written.ids.size(), 4u);
  EXPECT_EQ(written.finish, Finish::length);
  EXPECT_EQ(seen, written.ids);
  const auto found = beam_search(stepper, Ids(20, 5), {.beams = 2, .max_new_tokens = 50});
  EXPECT_EQ(found[0].ids.size(), 4u);
}

TEST(Decode, BadRequestsAreNamed) {
  CachedStepper stepper(gpt2("gpt2_2x5"));
  constexpr auto kInvalid = ErrorCode::invalid_argument;
  expect_error(kInvalid, {"24 tokens", "24 positions"}, [&] { decode(stepper, Ids(24, 5), {}); });
  expect_error(kInvalid, {"no tokens"}, [&] { decode(stepper, {}, {}); });
  expect_error(kInvalid, {"max-new-tokens", "0"},
               [&] { decode(stepper, {1}, {.max_new_tokens = 0}); });
  expect_error(kInvalid, {"temperature"},
               [&] { decode(stepper, {1}, {.sampling = {.temperature = -1}}); });
  expect_error(kInvalid, {"beams", "0"}, [&] { beam_search(stepper, {1}, {.beams = 0}); });
  expect_error(kInvalid, {"id 99"}, [&] { decode(stepper, {99}, {}); });
}

}  // namespace
}  // namespace heed
