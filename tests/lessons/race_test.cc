// The lesson `recurrent`: its tasks, its recording, and that it stops when asked to.

#include "heed/lessons/race.h"

#include <gtest/gtest.h>

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

TEST(Race, AgreementGoesByTheFirstNounAlone) {
  const RaceBatch batch = agreement(1, 200, 5);
  int64_t plurals = 0, attractors = 0;
  for (int64_t b = 0; b < 200; ++b) {
    const int32_t first = batch.source.ids.at<int32_t>({b, 0});
    EXPECT_LT(first, 2 * kNouns);
    EXPECT_EQ(batch.targets.at<int32_t>({b, 0}), first < kNouns ? 0 : 1);
    plurals += batch.targets.at<int32_t>({b, 0});
    for (int64_t s = 1; s < 5; ++s) {
      const int32_t word = batch.source.ids.at<int32_t>({b, s});
      if (word < 2 * kNouns && (word < kNouns) != (first < kNouns)) ++attractors;
    }
  }
  EXPECT_TRUE(plurals > 70 && plurals < 130) << plurals;
  EXPECT_GT(attractors, 100);
}

TEST(Race, MarkedWordsStandOnce) {
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const Tensor ids = marked_sentence(seed, 50).source.ids;
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
  for (const Tensor* table : {&race.words, &race.copies, &race.verbs}) {
    ASSERT_EQ(table->shape(), Shape({last + 1, transformer + 1}));
    for (const float share : table->span<float>()) EXPECT_TRUE(share >= 0 && share <= 1) << share;
  }
  for (int64_t c = 0; c < transformer; ++c) {
    EXPECT_GE(race.words.at({last, transformer}), race.words.at({last, c})) << c;
    EXPECT_GT(race.reach_new.at({last, transformer}), race.reach_new.at({last, c})) << c;
  }
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
