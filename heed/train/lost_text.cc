#include "heed/train/lost_text.h"

#include <fmt/format.h>

#include <algorithm>

#include "heed/base/log.h"
#include "heed/base/message.h"
#include "heed/text/unicode.h"

namespace heed {
namespace {

/// Whether the tokenizer does not cut texts into words, and so has no reason to pass over spaces.
bool is_one_word(const Encoding& encoding) {
  int32_t word = -1;
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    if (encoding.special[i]) continue;
    if (word >= 0 && encoding.words[i] != word) return false;
    word = encoding.words[i];
  }
  return true;
}

/// Counts the characters of text[begin, end), white space or not.
void add_gap(LostText& lost, std::string_view text, size_t begin, size_t end, bool spaces) {
  const std::string_view gap = text.substr(begin, end - begin);
  const DecodedText decoded = decode_utf8(gap);
  for (size_t i = 0; i < decoded.chars.size(); ++i) {
    if (!spaces && is_whitespace(decoded.chars[i])) continue;
    const size_t from = decoded.byte_starts[i];
    lost.add({1, std::string(gap.substr(from, decoded.byte_starts[i + 1] - from)), from}, begin);
  }
}

}  // namespace

void LostText::add(const LostText& later, size_t offset) {
  if (count == 0 && later.count > 0) {
    first = later.first;
    at = offset + later.at;
  }
  count += later.count;
}

LostText lost_text(std::string_view text, const Encoding& encoding, const Tokenizer& tokenizer) {
  LostText lost;
  if (tokenizer.kind() != "BPE") return lost;  // the others have a token for the unknown
  const bool one_word = is_one_word(encoding);
  size_t at = 0;
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    if (encoding.special[i]) continue;
    const auto begin = static_cast<size_t>(encoding.byte_offsets[i].start);
    if (begin > at) add_gap(lost, text, at, begin, one_word && at > 0);
    at = std::max(at, static_cast<size_t>(encoding.byte_offsets[i].end));
  }
  if (!encoding.truncated && at < text.size()) {
    add_gap(lost, text, at, text.size(), /*spaces=*/false);
  }
  return lost;
}

void warn_of(const LostText& lost, const std::string& where, int64_t line) {
  if (lost.count == 0) return;
  log(LogLevel::warning,
      fmt::format("{}: left out {} that the tokenizer has no piece for, the first {} in line {}",
                  where, counted(lost.count, "character"), in_quotes(lost.first), line));
}

}  // namespace heed
