#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "heed/text/tokenizer.h"
#include "heed/train/bad_rows.h"
#include "heed/train/data_rows.h"

namespace heed {

/// Words with a tag each: "O", or B-, I-, E- or S- and the kind of a name.
struct TaggedSentence {
  std::vector<std::string> words;
  std::vector<std::string> tags;
  int64_t line = 0;  // where it begins, from 1
};

/// CoNLL's columns: a word a line, its first column the word and its last one the tag (between tabs
/// where a line has one, else blanks), an empty line between sentences; -DOCSTART- lines are left
/// out. A sentence with a bad line (one column, a tag of another form, bytes that are not UTF-8) is
/// bad as a whole.
std::vector<TaggedSentence> parse_columns(std::string_view content, const std::string& where,
                                          BadRows& bad);
std::vector<TaggedSentence> read_columns(const std::filesystem::path& path, BadRows& bad);

/// The tags that the sentences have: "O" first, then by the alphabet. Error invalid_argument if
/// there is no name in them.
LabelNames tags_of(const std::vector<TaggedSentence>& sentences, const std::string& where);

/// A sentence as the model reads it.
struct TaggedTokens {
  std::vector<int32_t> ids;
  std::vector<int32_t> targets;  // the tag of each word at its first piece, else kNoTarget
};

/// The words joined by blanks, as text that heed ner reads later; pieces find their words by their
/// offsets. Words beyond max_tokens are cut. Error invalid_argument for a tag without an id.
TaggedTokens align_tags(const TaggedSentence& sentence, const Tokenizer& tokenizer,
                        const LabelNames& tags, int64_t max_tokens);

}  // namespace heed
