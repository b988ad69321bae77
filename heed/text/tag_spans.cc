#include "heed/text/tag_spans.h"

namespace heed {
namespace {

bool is_outside(std::string_view tag) { return tag.size() < 3 || tag[1] != '-'; }

/// Whether `tag` goes on with the name that `before` is in.
bool goes_on(std::string_view before, std::string_view tag) {
  const bool inside = tag[0] == 'I' || tag[0] == 'E';
  const bool open = before[0] == 'B' || before[0] == 'I';
  return inside && open && before.substr(2) == tag.substr(2);
}

}  // namespace

std::vector<TagSpan> tag_spans(const std::vector<std::string_view>& tags) {
  std::vector<TagSpan> spans;
  std::string_view before = "O";
  for (size_t i = 0; i < tags.size(); ++i) {
    const std::string_view tag = tags[i];
    const auto at = static_cast<int64_t>(i);
    if (!is_outside(tag)) {
      if (!is_outside(before) && goes_on(before, tag)) {
        spans.back().end = at + 1;
      } else {
        spans.push_back({at, at + 1, std::string(tag.substr(2))});
      }
    }
    before = tag;
  }
  return spans;
}

}  // namespace heed
