#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace heed {

/// A name in a tagged text: words [begin, end) and its kind.
struct TagSpan {
  int64_t begin = 0;
  int64_t end = 0;
  std::string kind;
  bool operator==(const TagSpan&) const = default;
};

/// The names that IOB or BIOES tags mark, as conlleval counts them (Tjong Kim Sang and Buchholz,
/// 2000): B and S begin one, so does I or E after O or after another kind. "" and "O" are outside.
std::vector<TagSpan> tag_spans(const std::vector<std::string_view>& tags);

}  // namespace heed
