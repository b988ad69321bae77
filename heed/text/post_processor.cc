#include "heed/text/post_processor.h"

#include <algorithm>
#include <utility>

#include "heed/text/byte_level.h"
#include "heed/text/unicode.h"

namespace heed {
namespace {

TemplatePart special(const SpecialToken& token, int32_t type_id) {
  return {.type_id = type_id, .ids = {token.id}, .tokens = {token.token}};
}

}  // namespace

int64_t Template::added(size_t texts) const {
  int64_t count = 0;
  for (const TemplatePart& part : parts(texts)) count += static_cast<int64_t>(part.ids.size());
  return count;
}

Template plain_template() {
  return {.single = {{.sequence = 0}}, .pair = {{.sequence = 0}, {.sequence = 1, .type_id = 1}}};
}

Template bert_template(const SpecialToken& cls, const SpecialToken& sep) {
  Template out;
  out.single = {special(cls, 0), {.sequence = 0}, special(sep, 0)};
  out.pair = out.single;
  out.pair.push_back({.sequence = 1, .type_id = 1});
  out.pair.push_back(special(sep, 1));
  return out;
}

Template roberta_template(const SpecialToken& cls, const SpecialToken& sep) {
  Template out;
  out.single = {special(cls, 0), {.sequence = 0}, special(sep, 0)};
  out.pair = out.single;
  out.pair.insert(out.pair.end(), {special(sep, 0), {.sequence = 1}, special(sep, 0)});
  return out;
}

Span without_spaces(Span at, std::u32string_view token, bool leading) {
  const auto is_space = [](char32_t c) { return c == kSpaceOfBytes || is_whitespace(c); };
  const auto solid = std::find_if_not(token.begin(), token.end(), is_space);
  const auto before = static_cast<int64_t>(solid - token.begin());
  const auto last = std::find_if_not(token.rbegin(), token.rend(), is_space);
  const auto after = static_cast<int64_t>(last - token.rbegin());
  if (leading) at.start = std::min(at.start + before, at.end);
  if (at.end >= after) at.end = std::max(at.end - after, at.start);
  return at;
}

std::array<int64_t, 2> longest_first(int64_t first, int64_t second, int64_t limit) {
  if (first + second <= limit) return {first, second};
  int64_t shorter = std::min(first, second);
  int64_t longer = std::max(shorter, limit - shorter);
  if (shorter + longer > limit) {
    shorter = limit / 2;
    longer = limit - shorter;
  }
  // of equally long texts the second one is the longer
  if (first > second) std::swap(shorter, longer);
  return {std::min(first, shorter), std::min(second, longer)};
}

}  // namespace heed
