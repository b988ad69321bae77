// Written by tools/record_race.py from `heed explain recurrent --run --json`.

#include "heed/lessons/race.h"

namespace heed::lessons_internal {

RaceResult recorded_race() {
  constexpr int64_t kLengths = static_cast<int64_t>(kRaceLengths.size());
  constexpr int64_t kColumns = static_cast<int64_t>(kRacers.size());
  const Tensor zeros = Tensor::zeros({kLengths, kColumns});
  return {.machine = "none",
          .seed = 0,
          .threads = 1,
          .seconds = 0,
          .parameters = Tensor::zeros({1, kColumns}),
          .words = zeros,
          .copies = zeros,
          .verbs = zeros,
          .update_ms = zeros,
          .reach_new = zeros,
          .reach_trained = zeros};
}

}  // namespace heed::lessons_internal
