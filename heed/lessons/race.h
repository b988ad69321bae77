#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "heed/lessons/lesson.h"
#include "heed/tensor/tensor.h"

namespace heed::lessons_internal {

/// Who races in the lesson `recurrent`, in the order of the tables' columns. A recurrent model has
/// one final state or, with "+attention", additive attention to all states; the Transformer is of
/// about the same size.
inline constexpr std::array<const char*, 5> kRacers = {"LSTM", "GRU", "LSTM+attention",
                                                       "GRU+attention", "Transformer"};
/// Words of a sentence, in the order of the tables' rows.
inline constexpr std::array<int64_t, 6> kRaceLengths = {5, 10, 20, 50, 100, 200};
inline constexpr int64_t kRaceWidth = 64;
inline constexpr int64_t kCopyUpdates = 1000;  // of each racer
inline constexpr int64_t kAgreeUpdates = 3000;

/// Subjects of a sentence: in the rows of the table over them, whose sentences are the longest, and
/// in the table over lengths, as many as the shortest ones can hold.
inline constexpr std::array<int64_t, 5> kRaceSubjects = {1, 2, 4, 8, 16};
inline constexpr int64_t kFewSubjects = 3;

/// What was measured, each [lengths, racers] f32 unless it says otherwise.
struct RaceResult {
  std::string machine;  // "this machine", or the recording's
  uint64_t seed = 0;
  int threads = 0;
  float seconds = 0;  // of the whole run

  Tensor parameters;     // [1, racers], numbers in each model
  Tensor words;          // copying: share of words that are right, given those before
  Tensor copies;         // copying: share of sentences without a wrong word
  Tensor verbs;          // agreement, kFewSubjects: share of verbs that are right
  Tensor nested;         // [subjects, racers], of the longest sentences: the same
  Tensor update_ms;      // milliseconds of an update of copying, forward and backward
  Tensor reach_new;      // log10 of the gradient at the first word over that at the last, of the
  Tensor reach_trained;  // verb's score: before training and after
};

/// Trains and measures. Progress counts updates. Error cancelled as soon as a stop is asked for.
RaceResult run_race(const LessonRun& how);
/// What run_race() gave on a machine that the result names.
RaceResult recorded_race();

}  // namespace heed::lessons_internal
