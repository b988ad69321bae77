#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

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
  std::string kind;  // "location"; of Aggregation::none the tag, "B-location"
  float score = 0;   // mean over its pieces (or words)
  std::string word;  // as the tokenizer writes its pieces
  Span chars;        // where it stands, in characters
  Span bytes;
};

/// Named entities in texts: tokenizer and a model of transformers' ...ForTokenClassification kind.
/// Safe to call from many threads.
class NameFinder {
 public:
  /// A name in the hub's cache or a folder. Errors not_found (a model without tags among them),
  /// corrupt_data, unsupported.
  static NameFinder load(std::string_view name_or_path);

  /// The names in a text, in its order; what is tagged "O" is none. A text longer than the model
  /// reads is cut, which the log is told.
  std::vector<FoundName> operator()(std::string_view text,
                                    Aggregation aggregation = Aggregation::simple) const;

  const std::vector<std::string>& labels() const { return labels_; }

 private:
  struct Piece;
  std::vector<Piece> pieces_of(std::string_view text, const Encoding& encoding,
                               const Tensor& logits) const;
  std::vector<Piece> words_of(const std::vector<Piece>& pieces, Aggregation aggregation) const;
  Piece word_of(const Piece* first, const Piece* last, Aggregation aggregation) const;
  FoundName name_of(const Piece* first, const Piece* last) const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  std::shared_ptr<const EncoderHead> model_;
  std::vector<std::string> labels_;
};

}  // namespace heed
