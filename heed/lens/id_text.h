#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "heed/text/tokenizer.h"

namespace heed {

/// The text of ids that come one after another (what a model reads and writes), cut into words
/// as goes_on() says.
class IdText {
 public:
  explicit IdText(std::shared_ptr<const Tokenizer> tokenizer) : tokenizer_(std::move(tokenizer)) {}

  /// Where ids begin as those of the call before, that part is not decoded again. Error
  /// invalid_argument for a negative id.
  void set(std::span<const int32_t> ids);
  const std::string& text() const { return text_; }
  /// Of text(); special are the tokens that decoding leaves out.
  const Encoding& encoding() const { return encoding_; }
  /// The tokens of the word that a token belongs to.
  Span word(int64_t token) const;
  /// What they say; empty for spaces and line ends. A special token says its own name.
  std::string word_name(int64_t token) const;

 private:
  void clear();
  void add(int32_t id);
  std::string piece(int32_t id) const;

  std::shared_ptr<const Tokenizer> tokenizer_;
  Encoding encoding_;
  std::string text_;
};

}  // namespace heed
