#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "heed/text/added_tokens.h"
#include "heed/text/json_fields.h"
#include "heed/text/post_processor.h"
#include "heed/text/tokenizer_files.h"
#include "heed/text/vocabulary.h"

namespace heed {

/// tokenizer_config.json, which says beside a vocabulary what that does not. A folder of before it
/// had added_tokens_decoder says some of it in special_tokens_map.json and added_tokens.json, which
/// count where that is absent, as in transformers.
class TokenizerConfig {
 public:
  /// Every setting that no file has has its fallback. Errors name `folder` (with what parts it from
  /// a file's name) and the file.
  TokenizerConfig(const TokenizerSettings& files, const std::string& folder);

  /// Without "Fast" at its end.
  std::string tokenizer_class(std::string_view fallback) const;
  [[noreturn]] void refuse_class(std::string_view needed) const;
  bool flag(std::string_view key, bool fallback) const;
  /// The text of a special token, written as itself or as an object with its content.
  std::string token(std::string_view key, std::string_view fallback) const;
  /// A token that the vocabulary or the files must have. Error corrupt_data.
  SpecialToken special(const Vocabulary& vocabulary, const std::string& token) const;
  /// The files' added tokens, and those of the names that the vocabulary has, which are special as
  /// are the names among the former. The mask takes the space before it along, unless the files
  /// say what it does.
  std::vector<AddedToken> added_tokens(const Vocabulary& vocabulary, std::vector<std::string> names,
                                       std::string_view mask = {}) const;
  JsonField json() const { return {document_, path_ + ":"}; }

 private:
  std::string path_;
  Json document_;
  std::vector<AddedToken> added_;
  bool with_flags_ = false;  // the files say them of each
};

/// Without their ends, which may be \n or \r\n; nothing after the last one.
std::vector<std::string> lines_of(std::string_view text);

}  // namespace heed
