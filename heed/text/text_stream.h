#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "heed/text/tokenizer.h"

namespace heed {

/// Text from tokens as they come. What add() gave never changes and never ends within a character;
/// all of it together with finish() is decode() of all ids.
class TextStream {
 public:
  explicit TextStream(std::shared_ptr<const Tokenizer> tokenizer, bool skip_special = true);

  /// The text that this token completes; may be empty. Error as decode().
  std::string add(int32_t id);
  /// What is left, with U+FFFD for half a character; the stream starts anew.
  std::string finish();

 private:
  std::shared_ptr<const Tokenizer> tokenizer_;
  bool skip_special_;
  std::optional<int32_t> before_;  // the last id that had a text: it decides about a space between
  std::string pending_;            // the start of a character
};

}  // namespace heed
