#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "heed/models/encoder.h"
#include "heed/tasks/notes.h"
#include "heed/text/tokenizer.h"

namespace heed {

// How the tasks let a model read many texts. Internal: not installed.

/// Calls run with the indices of rows of these lengths, longest first, so that a batch has little
/// padding and the largest memory is needed at once, not in the end: at most `batch` rows and some
/// 4,096 tokens (more make no product faster, but every temporary larger). Error cancelled between
/// batches.
void in_batches(std::span<const int64_t> lengths, int64_t batch,
                const std::function<void(std::span<const size_t> rows)>& run);

/// Error invalid_argument, told as the operation's, for a text without ids: an empty one where the
/// tokenizer adds no special tokens.
void need_tokens(const std::vector<int32_t>& ids, std::string_view text,
                 std::string_view operation);

/// Each text's tokens, cut to max_tokens, on all threads. Of texts that were cut the notes are
/// told, or, where there are none, the log, as the operation's. Errors cancelled; as need_tokens.
std::vector<Encoding> encode_texts(const Tokenizer& tokenizer, std::span<const std::string> texts,
                                   int64_t max_tokens, std::string_view operation, RunNotes* notes);

/// The same of pairs of texts, of which the longer one is cut first. Error invalid_argument for
/// numbers of texts that differ.
std::vector<Encoding> encode_pairs(const Tokenizer& tokenizer, std::span<const std::string> texts,
                                   std::span<const std::string> seconds, int64_t max_tokens,
                                   std::string_view operation, RunNotes* notes);

/// A tokenised text's tokens in each row, for in_batches.
std::vector<int64_t> lengths_of(std::span<const Encoding> encodings);

/// The chosen ones as a padded batch; type ids for models that have several.
EncoderInput input_of(std::span<const Encoding> encodings, std::span<const size_t> rows,
                      const EncoderFacts& facts);

}  // namespace heed
