#include "heed/text/post_processor.h"

#include <algorithm>
#include <utility>

namespace heed {

int64_t Template::added(size_t texts) const {
  int64_t count = 0;
  for (const TemplatePart& part : parts(texts)) count += static_cast<int64_t>(part.ids.size());
  return count;
}

Template plain_template() {
  return {.single = {{.sequence = 0}}, .pair = {{.sequence = 0}, {.sequence = 1, .type_id = 1}}};
}

Template bert_template(const SpecialToken& cls, const SpecialToken& sep) {
  const auto special = [](const SpecialToken& token, int32_t type_id) {
    return TemplatePart{.type_id = type_id, .ids = {token.id}, .tokens = {token.token}};
  };
  Template out;
  out.single = {special(cls, 0), {.sequence = 0}, special(sep, 0)};
  out.pair = out.single;
  out.pair.push_back({.sequence = 1, .type_id = 1});
  out.pair.push_back(special(sep, 1));
  return out;
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
