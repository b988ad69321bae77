#pragma once

#include <cstdint>

#include "heed/models/encoder.h"

namespace heed::lessons_internal {

// The two tasks of the lesson `recurrent`. Sentences are of words 0 to kWords - 1: nouns in the
// singular and in the plural, "that", prepositions and adverbs.
inline constexpr int64_t kNouns = 4;  // of each number
inline constexpr int64_t kThat = 2 * kNouns;
inline constexpr int64_t kPrepositions = kThat + 1;  // the first
inline constexpr int64_t kAdverbs = kPrepositions + 3;
inline constexpr int64_t kWords = kAdverbs + 4;
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
/// "dogs often that cat near trees that boys ...": clauses that open within one another, each with
/// its subject, the first word or that after "that". Adverbs, and prepositions with nouns of any
/// number, fill the sentence to its length, 2 subjects - 1 at least. Say whether each verb is in
/// the singular (0) or the plural (1), as its own subject is. Clauses close as they are nested, so
/// the last subject's verb is the first, "see chases bark": T = subjects.
RaceBatch agreement(uint64_t seed, int64_t rows, int64_t length, int64_t subjects);
/// What an update learns agreement from: sentences of 1 subject in the first sixth of all updates,
/// then of up to 2, 4 and 8, and of up to 16 in the last third, as many as fit. LSTMs that had up
/// to 8 from the start were still guessing after 1,000 updates.
RaceBatch agreement_at(uint64_t seed, int64_t update, int64_t rows, int64_t length);
/// One sentence of one subject, the first word; this and the last stand nowhere else in it.
RaceBatch marked_sentence(uint64_t seed, int64_t length);

}  // namespace heed::lessons_internal
