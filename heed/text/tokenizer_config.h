#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "heed/text/added_tokens.h"
#include "heed/text/json_fields.h"
#include "heed/text/post_processor.h"
#include "heed/text/vocabulary.h"

namespace heed {

/// tokenizer_config.json, which says beside vocab.txt or vocab.json what those files do not.
class TokenizerConfig {
 public:
  /// "" stands for no file: every setting has its fallback. Errors name `path`.
  TokenizerConfig(std::string_view text, const std::string& path);

  /// Without "Fast" at its end.
  std::string tokenizer_class(std::string_view fallback) const;
  [[noreturn]] void refuse_class(std::string_view needed) const;
  bool flag(std::string_view key, bool fallback) const;
  /// The text of a special token, written as itself or as an object with its content.
  std::string token(std::string_view key, std::string_view fallback) const;
  /// A token that the vocabulary must have. Error corrupt_data.
  SpecialToken special(const Vocabulary& vocabulary, const std::string& token) const;
  JsonField json() const { return {document_, path_ + ":"}; }

 private:
  std::string path_;
  Json document_;
};

/// Those of the names that the vocabulary has, each once, as special tokens found in the text.
std::vector<AddedToken> special_tokens(const Vocabulary& vocabulary,
                                       const std::vector<std::string>& names);

/// Without their ends, which may be \n or \r\n; nothing after the last one.
std::vector<std::string> lines_of(std::string_view text);

}  // namespace heed
