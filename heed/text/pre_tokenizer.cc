#include "heed/text/pre_tokenizer.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "heed/text/unicode.h"

namespace heed {
namespace {

// Calls cut(chars, piece, out) for every piece that may be cut; out takes its words.
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

struct Match {
  uint32_t begin;
  uint32_t end;
  bool is_match;
};

// Joins matches with their neighbours in reading order (or in reverse, for merged_with_next).
template <class Iterator>
std::vector<Match> joined(Iterator first, Iterator last, bool contiguous) {
  std::vector<Match> out;
  bool before = false;  // whether the neighbour before was a match
  for (; first != last; ++first) {
    const bool joins = contiguous ? first->is_match == before : first->is_match && !before;
    if (joins && !out.empty()) {
      out.back().begin = std::min(out.back().begin, first->begin);
      out.back().end = std::max(out.back().end, first->end);
    } else {
      out.push_back(*first);
    }
    before = first->is_match;
  }
  return out;
}

void emit(std::vector<Match> matches, SplitBehavior behavior, std::vector<Piece>& out) {
  const auto push = [&](const Match& match) { out.push_back({match.begin, match.end}); };
  switch (behavior) {
    case SplitBehavior::removed:
      for (const Match& match : matches) {
        if (!match.is_match) push(match);
      }
      return;
    case SplitBehavior::isolated:
      break;
    case SplitBehavior::merged_with_previous:
      matches = joined(matches.begin(), matches.end(), false);
      break;
    case SplitBehavior::contiguous:
      matches = joined(matches.begin(), matches.end(), true);
      break;
    case SplitBehavior::merged_with_next:
      matches = joined(matches.rbegin(), matches.rend(), false);
      std::reverse(matches.begin(), matches.end());
      break;
  }
  for (const Match& match : matches) push(match);
}

class BertPreTokenizer final : public PreTokenizer {
 public:
  void apply(PiecedText& text) const override {
    cut_pieces(text, [](std::u32string_view chars, const Piece& piece, std::vector<Piece>& out) {
      uint32_t begin = piece.begin;
      for (uint32_t i = piece.begin; i < piece.end; ++i) {
        const bool space = is_whitespace(chars[i]);
        if (!space && !is_punctuation(chars[i])) continue;
        if (begin < i) out.push_back({begin, i});
        if (!space) out.push_back({i, i + 1});
        begin = i + 1;
      }
      if (begin < piece.end) out.push_back({begin, piece.end});
    });
  }
};

class Whitespace final : public PreTokenizer {
 public:
  void apply(PiecedText& text) const override {
    const auto kind = [](char32_t c) { return is_word(c) ? 2 : is_whitespace(c) ? 0 : 1; };
    cut_pieces(text, [&](std::u32string_view chars, const Piece& piece, std::vector<Piece>& out) {
      for (uint32_t i = piece.begin; i < piece.end;) {
        const int first = kind(chars[i]);
        const uint32_t begin = i;
        while (i < piece.end && kind(chars[i]) == first) ++i;
        if (first != 0) out.push_back({begin, i});
      }
    });
  }
};

class WhitespaceSplit final : public PreTokenizer {
 public:
  void apply(PiecedText& text) const override {
    cut_pieces(text, [](std::u32string_view chars, const Piece& piece, std::vector<Piece>& out) {
      for (uint32_t i = piece.begin; i < piece.end; ++i) {
        const uint32_t begin = i;
        while (i < piece.end && !is_whitespace(chars[i])) ++i;
        if (begin < i) out.push_back({begin, i});
      }
    });
  }
};

class Punctuation final : public PreTokenizer {
 public:
  explicit Punctuation(SplitBehavior behavior) : behavior_(behavior) {}
  void apply(PiecedText& text) const override {
    cut_pieces(text,
               [this](std::u32string_view chars, const Piece& piece, std::vector<Piece>& out) {
                 std::vector<Match> matches;
                 for (uint32_t i = piece.begin; i < piece.end; ++i) {
                   const bool match = is_punctuation(chars[i]);
                   if (match || matches.empty() || matches.back().is_match) {
                     matches.push_back({i, i + 1, match});
                   } else {
                     matches.back().end = i + 1;
                   }
                 }
                 emit(std::move(matches), behavior_, out);
               });
  }

 private:
  SplitBehavior behavior_;
};

class PreTokenizerSequence final : public PreTokenizer {
 public:
  explicit PreTokenizerSequence(std::vector<PreTokenizerPtr> steps) : steps_(std::move(steps)) {}
  void apply(PiecedText& text) const override {
    for (const auto& step : steps_) step->apply(text);
  }

 private:
  std::vector<PreTokenizerPtr> steps_;
};

}  // namespace

PreTokenizerPtr bert_pre_tokenizer() { return std::make_unique<BertPreTokenizer>(); }
PreTokenizerPtr whitespace_pre_tokenizer() { return std::make_unique<Whitespace>(); }
PreTokenizerPtr whitespace_split_pre_tokenizer() { return std::make_unique<WhitespaceSplit>(); }
PreTokenizerPtr punctuation_pre_tokenizer(SplitBehavior behavior) {
  return std::make_unique<Punctuation>(behavior);
}
PreTokenizerPtr sequence_pre_tokenizer(std::vector<PreTokenizerPtr> steps) {
  return std::make_unique<PreTokenizerSequence>(std::move(steps));
}

}  // namespace heed
