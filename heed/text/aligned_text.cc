#include "heed/text/aligned_text.h"

#include <algorithm>
#include <utility>

namespace heed {

AlignedText AlignedText::identity(std::u32string_view chars, uint32_t start) {
  AlignedText text;
  text.chars = chars;
  text.from.resize(chars.size());
  for (uint32_t i = 0; i < chars.size(); ++i) text.from[i] = {start + i, start + i + 1};
  return text;
}

void AlignedText::append(const AlignedText& text, size_t begin, size_t end) {
  chars.append(text.chars, begin, end - begin);
  from.insert(from.end(), text.from.begin() + static_cast<std::ptrdiff_t>(begin),
              text.from.begin() + static_cast<std::ptrdiff_t>(end));
}

void AlignedText::rewrite(const std::vector<RewrittenChar>& rewritten) {
  std::vector<SourceRange> ranges;
  ranges.reserve(rewritten.size());
  std::u32string text;
  text.reserve(rewritten.size());
  size_t next = 0;  // first old character not consumed yet
  for (const auto& [c, change] : rewritten) {
    text.push_back(c);
    if (change > 0) {
      ranges.push_back(from[std::max<size_t>(next, 1) - 1]);
    } else {
      ranges.push_back(from[std::min(next, from.size() - 1)]);
      next = std::min(from.size(), next + 1 + static_cast<size_t>(-change));
    }
  }
  chars = std::move(text);
  from = std::move(ranges);
}

}  // namespace heed
