#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "heed/text/aligned_text.h"

namespace heed {

/// What happens to a match of the pattern that words are cut at: "the-final--countdown" at '-'
/// becomes the|final|countdown, the|-|final|-|-|countdown, the-|final-|-|countdown,
/// the|-final|-|-countdown or the|-|final|--|countdown.
enum class SplitBehavior {
  removed,
  isolated,
  merged_with_previous,
  merged_with_next,
  contiguous,
};

/// Characters [begin, end) of the text that a pattern matches, or that lie between two matches.
struct Match {
  uint32_t begin;
  uint32_t end;
  bool is_match;
};

/// Appends the words that matches, which cover a piece without holes, become; never an empty one.
void append_words(std::vector<Match> matches, SplitBehavior behavior, std::vector<Piece>& out);

/// Calls cut(chars, piece, out) for every piece that may be cut; out takes its words.
template <class Cut>
void cut_pieces(PiecedText& text, Cut cut) {
  std::vector<Piece> out;
  out.reserve(text.pieces.size() + text.text.size() / 4);
  for (const Piece& piece : text.pieces) {
    if (piece.added_id >= 0) {
      out.push_back(piece);
    } else {
      cut(std::u32string_view(text.text.chars), piece, out);
    }
  }
  text.pieces = std::move(out);
}

/// Copies the text piece by piece; write(text, piece, out) appends what a piece that may be
/// rewritten becomes.
template <class Write>
void rewrite_pieces(PiecedText& text, size_t expected_chars, Write write) {
  AlignedText out;
  out.chars.reserve(expected_chars);
  out.from.reserve(expected_chars);
  for (Piece& piece : text.pieces) {
    const auto begin = static_cast<uint32_t>(out.size());
    if (piece.added_id >= 0) {
      out.append(text.text, piece.begin, piece.end);
    } else {
      write(text.text, piece, out);
    }
    piece.begin = begin;
    piece.end = static_cast<uint32_t>(out.size());
  }
  text.text = std::move(out);
}

}  // namespace heed
