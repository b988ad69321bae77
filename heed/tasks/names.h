#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "heed/base/progress.h"
#include "heed/tasks/notes.h"
#include "heed/tensor/tensor.h"
#include "heed/text/tokenizer.h"

namespace heed {

class EncoderHead;

/// How pieces become names, as transformers' pipeline has it.
enum class Aggregation {
  none,     // each piece by itself, with its tag
  simple,   // neighbouring pieces of one kind together
  first,    // a word has its first piece's tag
  average,  // a word has the tag that its pieces' scores give on the average
  max,      // a word has the tag of its surest piece
};
/// Error invalid_argument lists the names.
Aggregation aggregation_from_name(std::string_view name);

/// A name found in a text.
struct FoundName {
  std::string kind;   // "location"; of Aggregation::none the tag, "B-location"
  float score = 0;    // mean over its pieces (or words)
  std::string word;   // as the tokenizer writes its pieces
  int64_t index = 0;  // of its first piece in the tokens, special ones included
  Span chars;         // where it stands, in characters
  Span bytes;
};

struct NameOptions {
  Aggregation aggregation = Aggregation::simple;
  /// Read a long text whole, in windows that share these many tokens, instead of its beginning; of
  /// names that overlap the longer one stays. Not with Aggregation::none.
  std::optional<int64_t> stride = {};
  std::optional<int64_t> max_tokens = {};   // of a window; absent: what the model reads
  std::vector<std::string> ignore = {"O"};  // kinds and tags that are no names
  int64_t batch = 32;                       // windows computed at once
  Progress progress = {};                   // in windows
  RunNotes* notes = nullptr;  // of several calls; without it each tells the log by itself
};

/// Named entities in texts: tokenizer and a model of transformers' ...ForTokenClassification kind,
/// as TokenClassificationPipeline has it. Tags are IOB ("B-person"), plain kinds, or where the
/// model has tags of both ends (BIOES, BILOU: E, S, L, U) those, which the pipeline would part at
/// the last piece. Safe to call from many threads.
class NameFinder {
 public:
  /// A name in the hub's cache or a folder. Errors not_found (a model without tags among them),
  /// corrupt_data, unsupported.
  static NameFinder load(std::string_view name_or_path);

  /// The names in each text, in its order. A text longer than the model reads is cut, which the log
  /// is told, or read in windows. Errors invalid_argument for a stride that leaves no room;
  /// cancelled between batches.
  std::vector<std::vector<FoundName>> operator()(std::span<const std::string> texts,
                                                 const NameOptions& options = {}) const;

  const std::vector<std::string>& labels() const { return labels_; }

 private:
  struct Piece;
  std::vector<std::vector<Encoding>> windows_of(std::span<const std::string> texts,
                                                const NameOptions& options) const;
  std::vector<FoundName> names_in(std::string_view text, const Encoding& encoding,
                                  std::span<const float> logits, const NameOptions& options) const;
  std::vector<Piece> pieces_of(std::string_view text, const Encoding& encoding,
                               std::span<const float> logits) const;
  std::vector<Piece> words_of(const std::vector<Piece>& pieces, Aggregation aggregation) const;
  Piece word_of(std::span<const Piece> pieces, Aggregation aggregation) const;
  FoundName name_of(std::span<const Piece> pieces) const;
  bool goes_on(size_t before, size_t label) const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<const EncoderHead> model_;
  std::vector<std::string> labels_;
  std::string_view prefixes_ = "BI";  // letters before a tag's hyphen that are not of its kind
  bool word_pieces_ = false;
  std::optional<int32_t> unknown_id_;
};

}  // namespace heed
