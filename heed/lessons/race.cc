#include "heed/lessons/race.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>

#include "heed/autograd/tape.h"
#include "heed/base/cancel.h"
#include "heed/base/parallel.h"
#include "heed/base/philox.h"
#include "heed/base/stopwatch.h"
#include "heed/lessons/arithmetic.h"
#include "heed/lessons/race_tasks.h"
#include "heed/models/recurrent.h"
#include "heed/models/transformer.h"
#include "heed/ops/cross_entropy.h"
#include "heed/train/model_start.h"
#include "heed/train/optimizer.h"
#include "heed/train/schedule.h"

namespace heed::lessons_internal {
namespace {

using MakeBatch = std::function<RaceBatch(int64_t update, int64_t rows, int64_t length)>;

constexpr int64_t kMostRows = 64, kLeastRows = 8;  // of a batch
constexpr int64_t kBatchWords = 1000;              // between those
constexpr double kRate = 3e-3;
constexpr int64_t kWarmup = 50;
constexpr double kClip = 1;

constexpr int64_t kTestWords = 6400;
constexpr int64_t kTestRows = 256;
constexpr int64_t kTimedRows = 8;
constexpr int kTimedRounds = 3;
constexpr int64_t kMarked = 8;  // sentences whose gradients are looked at

// What is drawn, each from a seed of its own.
enum Draw : uint64_t { kWeights, kCopying, kAgreement, kTest, kMarks };

uint64_t seed_of(uint64_t seed, Draw draw, int64_t part) {
  return derived_seed(derived_seed(seed, draw), static_cast<uint64_t>(part));
}

bool is_transformer(size_t racer) { return racer == 4; }

InitRule init_of(size_t racer) {
  return is_transformer(racer) ? init_rule_of(Json::object({{"model_type", "transformer2017"}}))
                               : recurrent_init(kRaceWidth);
}

std::unique_ptr<EncoderDecoder> make_model(size_t racer, const Params& params) {
  if (is_transformer(racer)) {
    return std::make_unique<Transformer>(TransformerConfig{.source_vocab = kWords,
                                                           .target_vocab = kRaceVocab,
                                                           .width = kRaceWidth,
                                                           .heads = 4,
                                                           .encoder_layers = 1,
                                                           .decoder_layers = 1,
                                                           .feed_forward = 2 * kRaceWidth,
                                                           .positions = kRaceLengths.back(),
                                                           .norm_first = true,
                                                           .final_norm = true,
                                                           .shared = false,
                                                           .tied = false},
                                         params);
  }
  return std::make_unique<Recurrent>(
      RecurrentConfig{.cell = racer % 2 == 0 ? RecurrentCell::lstm : RecurrentCell::gru,
                      .attention = racer >= 2,
                      .source_vocab = kWords,
                      .target_vocab = kRaceVocab,
                      .width = kRaceWidth,
                      .shared = false,
                      .tied = false},
      params);
}

/// One model and what it learns.
class Racer {
 public:
  Racer(size_t which, uint64_t seed)
      : store_(ParameterOptions{.init = init_of(which), .seed = seed_of(seed, kWeights, 0)}),
        model_(make_model(which, store_.params())) {}

  int64_t numel() const { return store_.numel(); }

  /// What the decoder says: [B, T, V].
  Tensor logits(const RaceBatch& batch) const { return model_->logits(states(batch)); }

  void backward_of(const RaceBatch& batch) const {
    store_.clear_gradients();
    backward(cross_entropy(states(batch), model_->output_weight(), {}, batch.targets));
  }

  /// One length after the other.
  void learn(int64_t updates, const MakeBatch& make, const std::function<void()>& updated) const {
    const auto optimizer = make_optimizer({}, group_parameters(store_.trained(), 0));
    const ScheduleOptions schedule{.kind = ScheduleKind::linear,
                                   .peak = kRate,
                                   .warmup_steps = kWarmup,
                                   .total_steps = updates};
    for (int64_t update = 0; update < updates; ++update) {
      check_cancelled();
      const int64_t length = kRaceLengths[static_cast<size_t>(update) % kRaceLengths.size()];
      const int64_t rows = std::clamp(kBatchWords / length, kLeastRows, kMostRows);
      backward_of(make(update, rows, length));
      optimizer->step(learning_rate(schedule, update),
                      clip_factor(optimizer->gradient_norm(), kClip));
      updated();
    }
  }

  /// The verb's score is that of the right number less that of the wrong one. Its gradient at a
  /// word that stands once in the sentence is that of the word's embedding.
  double reach(const RaceBatch& sentence) const {
    store_.clear_gradients();
    const Tensor says = logits(sentence);  // [1, 1, V]
    const int32_t right = sentence.targets.at<int32_t>({0, 0});
    const Tensor dy = Tensor::zeros(says.shape());
    // a factor beforehand, which the quotient is free of: f32 reaches down to 2^-149 alone
    constexpr float kFactor = 0x1p100F;
    dy.at({0, 0, right}) = kFactor;
    dy.at({0, 0, 1 - right}) = -kFactor;
    backward(says, dy);
    const Tensor words = gradient(store_["source_embeddings.weight"]);  // [V, C]
    const Tensor& ids = sentence.source.ids;
    return std::log10(norm(words, ids.at<int32_t>({0, 0})) /
                      norm(words, ids.at<int32_t>({0, ids.size(1) - 1})));
  }

 private:
  Tensor states(const RaceBatch& batch) const {  // [B, T, C]
    return model_->decode(batch.before, model_->encode(batch.source));
  }
  static double norm(const Tensor& rows, int64_t row) {
    double sum = 0;
    for (const float value : rows.select(0, row).span<float>()) {
      sum += static_cast<double>(value) * value;
    }
    return std::sqrt(sum);
  }

  ParameterStore store_;
  std::unique_ptr<EncoderDecoder> model_;
};

/// Shares of answers and of whole rows that are right.
struct Right {
  float answers = 0;
  float rows = 0;
};

Right right_of(const Racer& racer, const RaceBatch& batch) {
  const NoGrad off;
  const Tensor says = racer.logits(batch);
  const int64_t rows = says.size(0), answers = says.size(1);
  int64_t right = 0, whole = 0;
  for (int64_t b = 0; b < rows; ++b) {
    int64_t here = 0;
    for (int64_t t = 0; t < answers; ++t) {
      here += largest(says.select(0, b).select(0, t)) == batch.targets.at<int32_t>({b, t}) ? 1 : 0;
    }
    right += here;
    whole += here == answers ? 1 : 0;
  }
  const auto share = [](int64_t part, int64_t all) {
    return static_cast<float>(part) / static_cast<float>(all);
  };
  return {share(right, rows * answers), share(whole, rows)};
}

/// The fastest of a few: other programs only ever slow one down.
float update_milliseconds(const Racer& racer, int64_t length) {
  const RaceBatch batch = copying(0, kTimedRows, length);
  double best = std::numeric_limits<double>::infinity();
  for (int round = 0; round < kTimedRounds; ++round) {
    check_cancelled();
    const Stopwatch watch;
    racer.backward_of(batch);
    best = std::min(best, watch.milliseconds());
  }
  return static_cast<float>(best);
}

float mean_reach(const Racer& racer, uint64_t seed, int64_t length) {
  double sum = 0;
  for (int64_t i = 0; i < kMarked; ++i) {
    sum += racer.reach(marked_sentence(seed_of(seed, kMarks, i), length));
  }
  return static_cast<float>(sum / static_cast<double>(kMarked));
}

float verbs_right(const Racer& racer, uint64_t seed, int64_t length, int64_t subjects) {
  const uint64_t test = derived_seed(seed_of(seed, kTest, length), static_cast<uint64_t>(subjects));
  return right_of(racer, agreement(test, kTestRows, length, subjects)).answers;
}

/// Fills a racer's column of every table.
class Course {
 public:
  Course(RaceResult& result, const std::function<void()>& updated)
      : result_(result), updated_(updated) {}

  void copy(size_t which) const {
    const Racer racer(which, result_.seed);
    result_.parameters.at({0, column(which)}) = static_cast<float>(racer.numel());
    const uint64_t seed = seed_of(result_.seed, kCopying, 0);
    racer.learn(
        kCopyUpdates,
        [&](int64_t update, int64_t rows, int64_t length) {
          return copying(derived_seed(seed, static_cast<uint64_t>(update)), rows, length);
        },
        updated_);
    each_of(kRaceLengths, [&](int64_t row, int64_t length) {
      const Right right = right_of(
          racer, copying(seed_of(result_.seed, kTest, length), kTestWords / length, length));
      result_.words.at({row, column(which)}) = right.answers;
      result_.copies.at({row, column(which)}) = right.rows;
      result_.update_ms.at({row, column(which)}) = update_milliseconds(racer, length);
    });
  }

  void agree(size_t which) const {
    const Racer racer(which, result_.seed);
    each_of(kRaceLengths, [&](int64_t row, int64_t length) {
      result_.reach_new.at({row, column(which)}) = mean_reach(racer, result_.seed, length);
    });
    const uint64_t seed = seed_of(result_.seed, kAgreement, 0);
    racer.learn(
        kAgreeUpdates,
        [&](int64_t update, int64_t rows, int64_t length) {
          return agreement_at(seed, update, rows, length);
        },
        updated_);
    each_of(kRaceLengths, [&](int64_t row, int64_t length) {
      result_.reach_trained.at({row, column(which)}) = mean_reach(racer, result_.seed, length);
      result_.verbs.at({row, column(which)}) =
          verbs_right(racer, result_.seed, length, kFewSubjects);
    });
    each_of(kRaceSubjects, [&](int64_t row, int64_t subjects) {
      result_.nested.at({row, column(which)}) =
          verbs_right(racer, result_.seed, kRaceLengths.back(), subjects);
    });
  }

 private:
  static int64_t column(size_t which) { return static_cast<int64_t>(which); }
  template <class Values, class F>
  static void each_of(const Values& values, const F& measure) {
    for (size_t i = 0; i < values.size(); ++i) {
      check_cancelled();
      measure(static_cast<int64_t>(i), values[i]);
    }
  }

  RaceResult& result_;
  const std::function<void()>& updated_;
};

}  // namespace

RaceResult run_race(const LessonRun& how) {
  const Stopwatch watch;
  const auto racers = static_cast<int64_t>(kRacers.size());
  const auto table = [&](size_t rows = kRaceLengths.size()) {
    return Tensor::zeros({static_cast<int64_t>(rows), racers});
  };
  RaceResult result{.machine = "this machine",
                    .seed = how.seed,
                    .threads = num_threads(),
                    .parameters = Tensor::zeros({1, racers}),
                    .words = table(),
                    .copies = table(),
                    .verbs = table(),
                    .nested = table(kRaceSubjects.size()),
                    .update_ms = table(),
                    .reach_new = table(),
                    .reach_trained = table()};
  int64_t done = 0;
  const int64_t total = racers * (kCopyUpdates + kAgreeUpdates);
  const std::function<void()> updated = [&] {
    if (how.progress) how.progress(++done, total);
  };
  const Course course(result, updated);
  for (size_t which = 0; which < kRacers.size(); ++which) {
    course.copy(which);
    course.agree(which);
  }
  result.seconds = static_cast<float>(watch.seconds());
  return result;
}

}  // namespace heed::lessons_internal
