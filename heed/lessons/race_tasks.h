#pragma once

#include <cstdint>

#include "heed/models/encoder.h"

namespace heed::lessons_internal {

// The two tasks of the lesson `recurrent`. Sentences are of words 0 to kWords - 1: nouns in the
// singular and in the plural, and words that are neither.
inline constexpr int64_t kNouns = 4;  // of each number
inline constexpr int64_t kWords = 16;
inline constexpr int32_t kStart = kWords;  // what a decoder begins with
inline constexpr int64_t kRaceVocab = kWords + 1;

/// Sentences and what is to be said of them.
struct RaceBatch {
  EncoderInput source;  // ids [B, S]
  Tensor before;        // [B, T] i32, what the decoder has said so far: kStart, then targets
  Tensor targets;       // [B, T] i32
};

/// Say all words again in their order: T = S.
RaceBatch copying(uint64_t seed, int64_t rows, int64_t length);
/// Say whether the verb behind the sentence is in the singular (0) or the plural (1), as its
/// subject is, the first word; any other noun on the way is of no account: T = 1.
RaceBatch agreement(uint64_t seed, int64_t rows, int64_t length);
/// One sentence for agreement whose first and last word stand nowhere else in it.
RaceBatch marked_sentence(uint64_t seed, int64_t length);

}  // namespace heed::lessons_internal
