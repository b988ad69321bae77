#include "heed/lessons/race_tasks.h"

#include <algorithm>

#include "heed/lessons/draws.h"

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

RaceBatch agreement(uint64_t seed, int64_t rows, int64_t length) {
  Draws draws(seed);
  RaceBatch batch = empty_batch(rows, length, 1);
  for (int64_t b = 0; b < rows; ++b) {
    for (int64_t s = 0; s < length; ++s) {
      word(batch, b, s) = static_cast<int32_t>(draws.below(s == 0 ? 2 * kNouns : kWords));
    }
    set_answer(batch, b, 0, number_of(word(batch, b, 0)));
  }
  return batch;
}

RaceBatch marked_sentence(uint64_t seed, int64_t length) {
  Draws draws(seed);
  RaceBatch batch = empty_batch(1, length, 1);
  const auto first = static_cast<int32_t>(draws.below(2 * kNouns));
  const auto last = static_cast<int32_t>(2 * kNouns + draws.below(kWords - 2 * kNouns));
  for (int64_t s = 1; s + 1 < length; ++s) {
    do {
      word(batch, 0, s) = static_cast<int32_t>(draws.below(kWords));
    } while (word(batch, 0, s) == first || word(batch, 0, s) == last);
  }
  word(batch, 0, 0) = first;
  word(batch, 0, length - 1) = last;
  set_answer(batch, 0, 0, number_of(first));
  return batch;
}

}  // namespace heed::lessons_internal
