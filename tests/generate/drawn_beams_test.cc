#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "heed/base/parallel.h"
#include "heed/generate/beam_search.h"
#include "heed/generate/generation_config.h"
#include "heed/models/config.h"
#include "tests/golden.h"

// Beams that are drawn: num_beams with do_sample.

namespace heed {
namespace {

using testing::golden_folder;

using Ids = std::vector<int32_t>;

const std::vector<std::string> kGpt2s = {"gpt2_2x5", "gpt2_3x8", "gpt2_1x16"};

std::vector<Generated> write(const std::string& name, const Ids& ids, GenerateOptions options) {
  if (!name.starts_with("gpt2")) {
    return Translator::load(golden_folder() / name).batch({ids}, options);
  }
  options.end_ids = {22};
  return TextGenerator::load(golden_folder() / name).batch({ids}, options);
}

// tools/make_beam_sampling_goldens.py puts Heed's draws in torch.multinomial's place
TEST(DrawnBeams, AreThoseOfTransformersWithHeedsDraws) {
  size_t texts = 0;
  const Json golden = read_json(golden_folder() / "drawn_beams.json");
  for (const Json& one : golden["cases"]) {
    GenerateOptions options = read_generation_config(ConfigReader(one["options"], "the golden"));
    options.seed = one["seed"];
    const auto written = write(one["model"], one["source"].get<Ids>(), options);
    const auto expected = one["ids"].get<std::vector<Ids>>();
    ASSERT_EQ(written.size(), expected.size()) << one;
    for (size_t i = 0; i < expected.size(); ++i) {
      EXPECT_EQ(written[i].ids, expected[i]) << one;
      const double score = one["scores"][i];
      EXPECT_NEAR(written[i].score, score, 1e-4 * std::max(1.0, std::abs(score))) << one;
      ++texts;
    }
  }
  EXPECT_GT(texts, 150u);
}

// A language of five tokens, each of which depends on the one before alone, drawn by the letter of
// what transformers does: all that could happen, with its probability.

constexpr int32_t kVocab = 5, kEnd = 4;
constexpr int64_t kSteps = 2;
constexpr size_t kBeams = 2, kDrawn = 4;
constexpr double kTemperature = 0.7;

/// ln p of a token behind another.
double logprob(int32_t before, int32_t id) {
  const auto logit = [before](int32_t of) { return std::sin(3.0 * before + 1.7 * of + 0.4); };
  double sum = 0;
  for (int32_t other = 0; other < kVocab; ++other) sum += std::exp(logit(other));
  return logit(id) - std::log(sum);
}

class SmallStepper : public Stepper {
 public:
  Tensor next(const std::vector<Ids>& rows, std::span<const int64_t>) override {
    Tensor logits = Tensor::empty({std::ssize(rows), kVocab});
    float* to = logits.data<float>();
    for (const Ids& row : rows) {
      for (int32_t id = 0; id < kVocab; ++id) {
        *to++ = static_cast<float>(logprob(row.back(), id));
      }
    }
    return logits;
  }
  int64_t max_tokens() const override { return 100; }
};

using Scored = std::pair<double, Ids>;

/// Where a search stands.
struct State {
  std::vector<Scored> beams, ended;  // best first
  friend bool operator<(const State& a, const State& b) {
    return std::tie(a.beams, a.ended) < std::tie(b.beams, b.ended);
  }
};

std::vector<Scored> best_of(std::vector<Scored> all) {
  std::ranges::sort(all, std::greater<>());
  all.resize(std::min(all.size(), kBeams));
  return all;
}

/// What becomes of the state when candidates were drawn in this order.
State after(const State& state, const std::vector<Scored>& drawn, bool last) {
  State next{.beams = {}, .ended = state.ended};
  for (size_t i = 0; i < drawn.size(); ++i) {
    const bool ends = last || drawn[i].second.back() == kEnd;
    if (!ends) next.beams.push_back(drawn[i]);
    if (ends && i < kBeams) next.ended.push_back(drawn[i]);
  }
  return {best_of(next.beams), best_of(next.ended)};
}

/// Draws one after the other without replacement, each with its share of what is left.
void draw_all(const State& state, std::vector<Scored>& left, std::vector<Scored>& drawn, double p,
              bool last, std::map<State, double>& to) {
  if (drawn.size() == kDrawn) {
    to[after(state, drawn, last)] += p;
    return;
  }
  double whole = 0;
  for (const Scored& one : left) whole += std::exp(one.first);
  for (size_t i = 0; i < left.size(); ++i) {
    const Scored one = left[i];
    left.erase(left.begin() + static_cast<std::ptrdiff_t>(i));
    drawn.push_back(one);
    draw_all(state, left, drawn, p * std::exp(one.first) / whole, last, to);
    drawn.pop_back();
    left.insert(left.begin() + static_cast<std::ptrdiff_t>(i), one);
  }
}

/// All texts that a search may give back, best first, and how likely they are.
std::map<std::vector<Ids>, double> law() {
  std::map<State, double> states{{{.beams = {{0.0, Ids{1}}}, .ended = {}}, 1.0}};
  for (int64_t step = 1; step <= kSteps; ++step) {
    std::map<State, double> next;
    for (const auto& [state, p] : states) {
      std::vector<Scored> all, drawn;
      for (const auto& [score, ids] : state.beams) {
        for (int32_t id = 0; id < kVocab; ++id) {
          all.emplace_back(score + logprob(ids.back(), id) / kTemperature, ids);
          all.back().second.push_back(id);
        }
      }
      draw_all(state, all, drawn, p, step == kSteps, next);
    }
    states = std::move(next);
  }
  std::map<std::vector<Ids>, double> texts;
  for (const auto& [state, p] : states) {
    std::vector<Ids> found;
    for (const auto& [score, ids] : state.ended) found.emplace_back(ids.begin() + 1, ids.end());
    texts[found] += p;
  }
  return texts;
}

TEST(DrawnBeams, ComeAsOftenAsDrawingOneAfterTheOtherSays) {
  constexpr int kRuns = 20000;
  SmallStepper stepper;
  BeamOptions options{.beams = kBeams,
                      .length_penalty = 0,
                      .max_new_tokens = kSteps,
                      .end_ids = {kEnd},
                      .sampling = {.temperature = kTemperature}};
  std::map<std::vector<Ids>, int> counts;
  for (int run = 0; run < kRuns; ++run) {
    options.seed = static_cast<uint64_t>(run);
    std::vector<Ids> found;
    for (const Written& one : beam_search(stepper, {1}, options)) found.push_back(one.ids);
    ++counts[found];
  }
  const auto expected = law();
  double chi_square = 0, whole = 0;
  int cells = 0;
  for (const auto& [texts, p] : expected) {
    whole += p;
    const double mean = p * kRuns;
    if (mean < 5) continue;  // too few for a normal distribution
    chi_square += std::pow(counts[texts] - mean, 2) / mean;
    ++cells;
  }
  for (const auto& [texts, count] : counts) EXPECT_TRUE(expected.contains(texts));
  EXPECT_NEAR(whole, 1, 1e-9);
  EXPECT_GT(cells, 50);
  EXPECT_LT(chi_square, cells + 4 * std::sqrt(2.0 * cells));
}

TEST(DrawnBeams, AreTheLikeliestWhenTheTemperatureVanishes) {
  for (const char* name : {"gpt2_2x5", "gpt2_3x8", "t5_relu", "bart", "marian"}) {
    for (const int64_t beams : {2, 4}) {
      GenerateOptions options{
          .max_new_tokens = 12, .rules = {.no_repeat_ngram_size = 2}, .beams = beams};
      const auto plain = write(name, {5, 9, 3, 7}, options);
      options.sampling.temperature = 1e-6;
      const auto drawn = write(name, {5, 9, 3, 7}, options);
      EXPECT_EQ(drawn[0].ids, plain[0].ids) << name;
      EXPECT_NEAR(drawn[0].score * 1e-6, plain[0].score, 1e-4) << name;
      EXPECT_EQ(drawn[0].logprobs, plain[0].logprobs) << name << ": they are the model's";
    }
  }
}

TEST(DrawnBeams, AreAFunctionOfTheSeedAtAnyNumberOfThreads) {
  const int before = num_threads();
  CachedStepper stepper(load_causal_model(golden_folder() / "gpt2_3x8"));
  BeamOptions options{
      .beams = 3, .max_new_tokens = 15, .sampling = {.temperature = 1.3, .top_p = 0.9}, .seed = 1};
  const auto texts_of = [&](uint64_t seed, const std::vector<Ids>& prompts) {
    options.seed = seed;
    std::vector<Ids> texts;
    for (const auto& found : beam_search_batch(stepper, prompts, options)) {
      for (const Written& one : found) texts.push_back(one.ids);
    }
    return texts;
  };
  const auto one = texts_of(1, {{1, 2}});
  EXPECT_NE(one, texts_of(2, {{1, 2}}));
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    EXPECT_EQ(texts_of(1, {{1, 2}}), one);
    auto both = texts_of(1, {{3}, {1, 2}});
    both.erase(both.begin(), both.end() - std::ssize(one));
    EXPECT_EQ(both, one) << "beside another prompt";
  }
  set_num_threads(before);
}

TEST(DrawnBeams, EndAndTheNextLikeliestStayWhateverTheChoices) {
  // with top_k 1 a beam would have no choice but its end
  CachedStepper stepper(load_causal_model(golden_folder() / "gpt2_2x5"));
  const BeamOptions options{.beams = 2,
                            .max_new_tokens = 6,
                            .end_ids = {22},
                            .rules = {.sequence_bias = {{{22}, 50}}},
                            .sampling = {.temperature = 1, .top_k = 1}};
  const auto found = beam_search(stepper, {1, 2}, options);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].ids, Ids{22});
  EXPECT_EQ(found[1].ids.size(), 2u) << "a token before the end";
}

}  // namespace
}  // namespace heed
