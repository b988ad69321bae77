// The lesson `recurrent`: its tasks, its recording, and that it stops when asked to.

#include "heed/lessons/race.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include "heed/base/cancel.h"
#include "heed/lessons/race_tasks.h"
#include "tests/expect_error.h"

namespace heed::lessons_internal {
namespace {

TEST(Race, CopyingAsksForTheWordsInTheirOrder) {
  const RaceBatch batch = copying(3, 4, 7);
  const RaceBatch again = copying(3, 4, 7);
  bool varied = false;
  for (int64_t b = 0; b < 4; ++b) {
    EXPECT_EQ(batch.before.at<int32_t>({b, 0}), kStart);
    for (int64_t s = 0; s < 7; ++s) {
      const int32_t word = batch.source.ids.at<int32_t>({b, s});
      EXPECT_TRUE(word >= 0 && word < kWords);
      EXPECT_EQ(batch.targets.at<int32_t>({b, s}), word);
      if (s > 0) {
        EXPECT_EQ(batch.before.at<int32_t>({b, s}), batch.targets.at<int32_t>({b, s - 1}));
      }
      EXPECT_EQ(again.source.ids.at<int32_t>({b, s}), word);
      varied = varied || word != batch.source.ids.at<int32_t>({0, 0});
    }
  }
  EXPECT_TRUE(varied);
}

bool is_noun(int32_t word) { return word < kThat; }
bool is_preposition(int32_t word) { return word >= kPrepositions && word < kAdverbs; }

/// The subjects' numbers in the order of the sentence, and how many other nouns of the other number
/// than the last subject's stand behind it.
struct Parsed {
  std::vector<int32_t> numbers;
  int64_t attractors = 0;
};

/// Reads row b by the grammar: noun, then adverbs and prepositions with nouns, "that", and again.
Parsed parsed(const RaceBatch& batch, int64_t b) {
  Parsed sentence;
  int32_t before = kThat;  // what the first noun stands behind, as it were
  for (int64_t s = 0; s < batch.source.ids.size(1); ++s) {
    const int32_t word = batch.source.ids.at<int32_t>({b, s});
    EXPECT_TRUE(word >= 0 && word < kWords) << word;
    EXPECT_EQ(is_noun(word), before == kThat || is_preposition(before)) << "word " << s;
    const int32_t number = word < kNouns ? 0 : 1;
    if (before == kThat) {
      sentence.numbers.push_back(number);
    } else if (is_noun(word) && number != sentence.numbers.back()) {
      ++sentence.attractors;
    }
    before = word;
  }
  EXPECT_FALSE(before == kThat || is_preposition(before)) << "a sentence without its end";
  return sentence;
}

TEST(Race, EachVerbAgreesWithItsOwnSubjectTheLastOneFirst) {
  for (const auto& [length, subjects] :
       std::vector<std::pair<int64_t, int64_t>>{{5, 1}, {5, 3}, {31, 16}, {50, 8}, {200, 4}}) {
    const RaceBatch batch = agreement(1, 100, length, subjects);
    EXPECT_EQ(batch.source.ids.shape(), Shape({100, length}));
    EXPECT_EQ(batch.targets.shape(), Shape({100, subjects}));
    int64_t plurals = 0, attractors = 0;
    for (int64_t b = 0; b < 100; ++b) {
      const Parsed sentence = parsed(batch, b);
      ASSERT_EQ(sentence.numbers.size(), static_cast<size_t>(subjects));
      attractors += sentence.attractors;
      for (int64_t t = 0; t < subjects; ++t) {
        const int32_t verb = batch.targets.at<int32_t>({b, t});
        EXPECT_EQ(verb, sentence.numbers[static_cast<size_t>(subjects - 1 - t)]);
        EXPECT_EQ(batch.before.at<int32_t>({b, t}),
                  t == 0 ? kStart : batch.targets.at<int32_t>({b, t - 1}));
        plurals += verb;
      }
    }
    EXPECT_NEAR(static_cast<double>(plurals), 50.0 * static_cast<double>(subjects),
                5 * 5 * std::sqrt(static_cast<double>(subjects)));  // 5 standard deviations
    if (length >= 4 * subjects) {
      EXPECT_GT(attractors, 20);
    }
  }
}

TEST(Race, AgreementIsAFunctionOfItsSeed) {
  const auto ids = [](uint64_t seed) {
    const Tensor words = agreement(seed, 8, 20, 4).source.ids;
    return std::vector<int32_t>(words.span<int32_t>().begin(), words.span<int32_t>().end());
  };
  EXPECT_EQ(ids(3), ids(3));
  EXPECT_NE(ids(3), ids(4));
}

TEST(Race, SubjectsStandAtEveryDistance) {
  const RaceBatch batch = agreement(2, 400, 20, 2);
  std::set<int64_t> clauses;  // where the second one begins
  for (int64_t b = 0; b < 400; ++b) {
    for (int64_t s = 0; s < 20; ++s) {
      if (batch.source.ids.at<int32_t>({b, s}) == kThat) clauses.insert(s);
    }
  }
  EXPECT_GE(clauses.size(), 8U);
}

TEST(Race, LearnsFromOneSubjectFirstAndFromManyLast) {
  std::set<int64_t> early, late, fitting;
  for (int64_t update = 0; update < 40; ++update) {
    early.insert(agreement_at(5, update, 2, 50).targets.size(1));
    late.insert(agreement_at(5, kAgreeUpdates - 1 - update, 2, 50).targets.size(1));
    fitting.insert(agreement_at(5, kAgreeUpdates - 1 - update, 2, 5).targets.size(1));
  }
  EXPECT_EQ(early, std::set<int64_t>{1});
  EXPECT_GT(late.size(), 8U);
  EXPECT_LE(*late.rbegin(), kRaceSubjects.back());
  EXPECT_EQ(fitting, (std::set<int64_t>{1, 2, 3}));
}

TEST(Race, MarkedWordsStandOnce) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const RaceBatch batch = marked_sentence(seed, 50);
    EXPECT_EQ(parsed(batch, 0).numbers, std::vector<int32_t>{batch.targets.at<int32_t>({0, 0})});
    const Tensor ids = batch.source.ids;
    int64_t first = 0, last = 0;
    for (const int32_t id : ids.span<int32_t>()) {
      first += id == ids.at<int32_t>({0, 0}) ? 1 : 0;
      last += id == ids.at<int32_t>({0, 49}) ? 1 : 0;
    }
    EXPECT_EQ(first, 1);
    EXPECT_EQ(last, 1);
  }
}

TEST(Race, TheRecordingShowsWhatTheLessonSays) {
  const RaceResult race = recorded_race();
  const auto last = static_cast<int64_t>(kRaceLengths.size()) - 1;
  const int64_t transformer = static_cast<int64_t>(kRacers.size()) - 1;
  const auto most = static_cast<int64_t>(kRaceSubjects.size()) - 1;
  for (const Tensor* table : {&race.words, &race.copies, &race.verbs, &race.nested}) {
    ASSERT_EQ(table->shape(), Shape({(table == &race.nested ? most : last) + 1, transformer + 1}));
    for (const float share : table->span<float>()) EXPECT_TRUE(share >= 0 && share <= 1) << share;
  }
  for (int64_t c = 0; c < transformer; ++c) {
    EXPECT_GE(race.words.at({last, transformer}), race.words.at({last, c})) << c;
    EXPECT_GT(race.reach_new.at({last, transformer}), race.reach_new.at({last, c})) << c;
  }
  for (int64_t c = 0; c < transformer; ++c) {  // states keep over any distance, up to a number
    EXPECT_GT(race.verbs.at({last, c}), race.verbs.at({last, transformer})) << c;
    EXPECT_GT(race.nested.at({most, c}), race.nested.at({most, transformer})) << c;
    EXPECT_LT(race.nested.at({most, c}), race.nested.at({0, c})) << c;
    EXPECT_NEAR(race.verbs.at({last, c}), race.verbs.at({0, c}), 0.05) << c;
  }
  EXPECT_LT(race.verbs.at({last, transformer}), race.verbs.at({0, transformer}) - 0.1F);
  for (const int64_t attending : {2, 3}) {
    EXPECT_LT(race.update_ms.at({last, transformer}), race.update_ms.at({last, attending}));
  }
  EXPECT_LT(race.words.at({last, 0}), 0.2F);        // an LSTM's one state
  EXPECT_LT(race.reach_new.at({last, 0}), -30.0F);  // and what comes back through 200 steps
}

TEST(Race, StopsWhenAskedTo) {
  int64_t done = 0;
  expect_error(ErrorCode::cancelled, {"interrupted"}, [&] {
    run_race({.seed = 1, .progress = [&](int64_t now, int64_t total) {
                done = now;
                EXPECT_GT(total, now);
                if (now == 3) request_cancel();
              }});
  });
  clear_cancel();
  EXPECT_EQ(done, 3);
}

}  // namespace
}  // namespace heed::lessons_internal
