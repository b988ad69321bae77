#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace heed {

/// Characters [start, end) of the text as given.
struct SourceRange {
  uint32_t start;
  uint32_t end;
};

/// One character of a rewritten text and what it did to the text before: 0 replaces the next old
/// character, 1 is new, -n replaces the next and drops n more after it.
struct RewrittenChar {
  char32_t c;
  int32_t change;
};

/// A text on its way through normalisation: every character knows the characters of the given text
/// that it came from. Both members have the same length; ranges never go backwards.
struct AlignedText {
  std::u32string chars;
  std::vector<SourceRange> from;

  /// Characters [start, start + chars.size()) of the given text, unchanged.
  static AlignedText identity(std::u32string_view chars, uint32_t start);

  size_t size() const { return chars.size(); }
  void push_back(char32_t c, SourceRange range) {
    chars.push_back(c);
    from.push_back(range);
  }
  void append(const AlignedText& text, size_t begin, size_t end);
  /// Replaces the whole text. A new character (change 1) comes from where the last replaced or
  /// dropped one came from, which is how the reference counts, also after marks changed places.
  void rewrite(const std::vector<RewrittenChar>& chars);

  /// Drops the characters for which keep is false.
  template <class Keep>
  void keep_if(Keep keep) {
    size_t kept = 0;
    for (size_t i = 0; i < chars.size(); ++i) {
      if (!keep(chars[i])) continue;
      chars[kept] = chars[i];
      from[kept++] = from[i];
    }
    chars.resize(kept);
    from.resize(kept);
  }
};

/// A word (or, before pre-tokenisation, a section): characters [begin, end) of the AlignedText.
struct Piece {
  uint32_t begin;
  uint32_t end;
  int32_t added_id = -1;  // an added token that no later step may cut
};

/// What the steps between text and model hand on.
struct PiecedText {
  AlignedText text;
  std::vector<Piece> pieces;
};

}  // namespace heed
