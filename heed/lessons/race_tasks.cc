#include "heed/lessons/race_tasks.h"

#include <algorithm>
#include <vector>

#include "heed/base/error.h"
#include "heed/lessons/draws.h"
#include "heed/lessons/race.h"

namespace heed::lessons_internal {
namespace {

RaceBatch empty_batch(int64_t rows, int64_t length, int64_t answers) {
  RaceBatch batch{
      .source = {.ids = Tensor::empty({rows, length}, DType::i32), .lengths = {}, .type_ids = {}},
      .before = Tensor::empty({rows, answers}, DType::i32),
      .targets = Tensor::empty({rows, answers}, DType::i32)};
  std::ranges::fill(batch.before.span<int32_t>(), kStart);
  return batch;
}

int32_t& word(const RaceBatch& batch, int64_t b, int64_t s) {
  return batch.source.ids.at<int32_t>({b, s});
}

void set_answer(const RaceBatch& batch, int64_t b, int64_t t, int32_t answer) {
  batch.targets.at<int32_t>({b, t}) = answer;
  if (t + 1 < batch.before.size(1)) batch.before.at<int32_t>({b, t + 1}) = answer;
}

/// Number of a noun: 0 for the singular, 1 for the plural.
int32_t number_of(int32_t noun) { return noun < kNouns ? 0 : 1; }

/// A sentence up to its verbs, from left to right.
class Writer {
 public:
  Writer(const RaceBatch& batch, int64_t row, Draws& draws)
      : batch_(batch), row_(row), draws_(draws) {}

  void put(int64_t id) { word(batch_, row_, at_++) = static_cast<int32_t>(id); }
  void any_of(int64_t begin, int64_t end) { put(begin + draws_.below(end - begin)); }
  int32_t noun() {
    any_of(0, kThat);
    return word(batch_, row_, at_ - 1);
  }
  /// Words that no verb asks for: adverbs, and twice as often a preposition with a noun.
  void distract(int64_t words) {
    while (words > 0) {
      if (words > 1 && draws_.below(3) > 0) {
        any_of(kPrepositions, kAdverbs);
        noun();
        words -= 2;
      } else {
        any_of(kAdverbs, kWords);
        --words;
      }
    }
  }

 private:
  const RaceBatch& batch_;
  int64_t row_;
  int64_t at_ = 0;
  Draws& draws_;
};

/// How many words each subject has behind it, up to the next clause or the end.
std::vector<int64_t> spread(int64_t words, int64_t subjects, Draws& draws) {
  std::vector<int64_t> behind(static_cast<size_t>(subjects));
  for (int64_t i = 0; i < words; ++i) ++behind[static_cast<size_t>(draws.below(subjects))];
  return behind;
}

}  // namespace

RaceBatch copying(uint64_t seed, int64_t rows, int64_t length) {
  Draws draws(seed);
  RaceBatch batch = empty_batch(rows, length, length);
  for (int64_t b = 0; b < rows; ++b) {
    for (int64_t s = 0; s < length; ++s) {
      word(batch, b, s) = static_cast<int32_t>(draws.below(kWords));
      set_answer(batch, b, s, word(batch, b, s));
    }
  }
  return batch;
}

RaceBatch agreement(uint64_t seed, int64_t rows, int64_t length, int64_t subjects) {
  HEED_ASSERT(subjects >= 1 && 2 * subjects - 1 <= length);
  Draws draws(seed);
  RaceBatch batch = empty_batch(rows, length, subjects);
  for (int64_t b = 0; b < rows; ++b) {
    const std::vector<int64_t> behind = spread(length - (2 * subjects - 1), subjects, draws);
    Writer sentence(batch, b, draws);
    std::vector<int32_t> numbers;
    for (const int64_t words : behind) {
      if (!numbers.empty()) sentence.put(kThat);
      numbers.push_back(number_of(sentence.noun()));
      sentence.distract(words);
    }
    std::ranges::reverse(numbers);
    for (int64_t t = 0; t < subjects; ++t) {
      set_answer(batch, b, t, numbers[static_cast<size_t>(t)]);
    }
  }
  return batch;
}

RaceBatch agreement_at(uint64_t seed, int64_t update, int64_t rows, int64_t length) {
  const auto stage = static_cast<size_t>(6 * update / kAgreeUpdates);
  const int64_t most = kRaceSubjects[std::min(stage, kRaceSubjects.size() - 1)];
  const uint64_t own = derived_seed(seed, static_cast<uint64_t>(update));
  const int64_t subjects = 1 + Draws(own).below(std::min(most, (length + 1) / 2));
  return agreement(derived_seed(own, 0), rows, length, subjects);
}

RaceBatch marked_sentence(uint64_t seed, int64_t length) {
  Draws draws(seed);
  RaceBatch batch = empty_batch(1, length, 1);
  constexpr int32_t kLast = kWords - 1;
  Writer sentence(batch, 0, draws);
  const int32_t first = sentence.noun();
  sentence.distract(length - 2);
  sentence.put(kLast);
  for (int64_t s = 1; s + 1 < length; ++s) {
    int32_t& here = word(batch, 0, s);
    if (here == first) here = (first + 1) % static_cast<int32_t>(kThat);
    if (here == kLast) here = kLast - 1;
  }
  set_answer(batch, 0, 0, number_of(first));
  return batch;
}

}  // namespace heed::lessons_internal
