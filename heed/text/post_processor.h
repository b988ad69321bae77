#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "heed/text/tokenizer.h"

namespace heed {

/// A place in a template: tokens of a text, or special tokens.
struct TemplatePart {
  int sequence = -1;  // 0 the first text, 1 the second, -1 special tokens
  int32_t type_id = 0;
  std::vector<int32_t> ids;         // of the special tokens
  std::vector<std::string> tokens;  // beside ids
};

/// Offsets of byte-level tokens leave out the spaces that the tokens carry.
struct TrimOffsets {
  bool prefix_space = false;  // but for a text's first token, whose space may be made up
};

/// What stands around one text and around two, in order.
struct Template {
  std::vector<TemplatePart> single;
  std::vector<TemplatePart> pair;
  std::optional<TrimOffsets> trim;

  const std::vector<TemplatePart>& parts(size_t texts) const { return texts == 1 ? single : pair; }
  /// How many special tokens it adds.
  int64_t added(size_t texts) const;
};

/// Nothing added; type ids 0 and 1.
Template plain_template();

struct SpecialToken {
  std::string token;
  int32_t id;
};
/// [CLS] A [SEP] and [CLS] A [SEP] B [SEP], with type id 1 from B on.
Template bert_template(const SpecialToken& cls, const SpecialToken& sep);
/// <s> A </s> and <s> A </s> </s> B </s>, all of type id 0.
Template roberta_template(const SpecialToken& cls, const SpecialToken& sep);

/// `at`, the offsets of a token of these characters, without the white space at the token's end
/// and, if `leading`, at its start; the byte-level space counts as such.
Span without_spaces(Span at, std::u32string_view token, bool leading);

/// What is left of texts with these many tokens when together they may have `limit`: the longer one
/// is cut first, then both to halves (the reference's "longest_first").
std::array<int64_t, 2> longest_first(int64_t first, int64_t second, int64_t limit);

}  // namespace heed
