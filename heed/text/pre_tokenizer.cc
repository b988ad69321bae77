#include "heed/text/pre_tokenizer.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "heed/base/error.h"
#include "heed/text/unicode.h"

namespace heed {
namespace {

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

class UnicodeScripts final : public PreTokenizer {
 public:
  void apply(PiecedText& text) const override {
    cut_pieces(text, [](std::u32string_view chars, const Piece& piece, std::vector<Piece>& out) {
      uint32_t begin = piece.end;
      int last = kNoScript;
      for (uint32_t i = piece.begin; i < piece.end; ++i) {
        const int script = script_of(chars[i]);
        if (script == kNoScript || script == last) continue;
        if (last != kNoScript) out.push_back({begin, i});
        begin = i;
        last = script;
      }
      if (begin < piece.end) out.push_back({begin, piece.end});
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
                 append_words(std::move(matches), behavior_, out);
               });
  }

 private:
  SplitBehavior behavior_;
};

class Split final : public PreTokenizer {
 public:
  Split(Regex pattern, SplitBehavior behavior, bool invert)
      : pattern_(std::move(pattern)), behavior_(behavior), invert_(invert) {}
  void apply(PiecedText& text) const override {
    Regex::Search search(pattern_);
    cut_pieces(text, [&](std::u32string_view chars, const Piece& piece, std::vector<Piece>& out) {
      std::vector<Match> matches;
      uint32_t done = piece.begin;
      search.each(chars.substr(piece.begin, piece.end - piece.begin), [&](size_t from, size_t to) {
        const auto begin = piece.begin + static_cast<uint32_t>(from);
        const auto end = piece.begin + static_cast<uint32_t>(to);
        if (done < begin) matches.push_back({done, begin, invert_});
        matches.push_back({begin, end, !invert_});
        done = end;
      });
      if (done < piece.end) matches.push_back({done, piece.end, invert_});
      append_words(std::move(matches), behavior_, out);
    });
  }

 private:
  Regex pattern_;
  SplitBehavior behavior_;
  bool invert_;
};

class FixedLength final : public PreTokenizer {
 public:
  explicit FixedLength(uint32_t length) : length_(length) { HEED_ASSERT(length > 0); }
  void apply(PiecedText& text) const override {
    cut_pieces(text, [this](std::u32string_view, const Piece& piece, std::vector<Piece>& out) {
      for (uint32_t i = piece.begin; i < piece.end;) {
        const uint32_t end = piece.end - i > length_ ? i + length_ : piece.end;
        out.push_back({i, end});
        i = end;
      }
    });
  }

 private:
  uint32_t length_;
};

class Metaspace final : public PreTokenizer {
 public:
  explicit Metaspace(const MetaspaceOptions& options) : options_(options) {}
  void apply(PiecedText& text) const override {
    rewrite_pieces(text, text.text.size() + text.pieces.size(),
                   [this](const AlignedText& old, const Piece& piece, AlignedText& out) {
                     if (prepends(old, piece)) {
                       out.push_back(options_.replacement, old.from[piece.begin]);
                     }
                     for (uint32_t i = piece.begin; i < piece.end; ++i) {
                       const bool space = old.chars[i] == U' ';
                       out.push_back(space ? options_.replacement : old.chars[i], old.from[i]);
                     }
                   });
    if (!options_.split) return;
    cut_pieces(text,
               [this](std::u32string_view chars, const Piece& piece, std::vector<Piece>& out) {
                 uint32_t begin = piece.begin;
                 for (uint32_t i = piece.begin + 1; i < piece.end; ++i) {
                   if (chars[i] != options_.replacement) continue;
                   out.push_back({begin, i});
                   begin = i;
                 }
                 if (begin < piece.end) out.push_back({begin, piece.end});
               });
  }

 private:
  bool prepends(const AlignedText& old, const Piece& piece) const {
    const char32_t first = old.chars[piece.begin];
    if (first == U' ' || first == options_.replacement) return false;
    using Prepend = MetaspaceOptions::Prepend;
    return options_.prepend == Prepend::always ||
           (options_.prepend == Prepend::first && old.from[piece.begin].start == 0);
  }

  MetaspaceOptions options_;
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
PreTokenizerPtr unicode_scripts_pre_tokenizer() { return std::make_unique<UnicodeScripts>(); }
PreTokenizerPtr punctuation_pre_tokenizer(SplitBehavior behavior) {
  return std::make_unique<Punctuation>(behavior);
}
PreTokenizerPtr split_pre_tokenizer(Regex pattern, SplitBehavior behavior, bool invert) {
  return std::make_unique<Split>(std::move(pattern), behavior, invert);
}
PreTokenizerPtr fixed_length_pre_tokenizer(uint32_t length) {
  return std::make_unique<FixedLength>(length);
}
PreTokenizerPtr metaspace_pre_tokenizer(const MetaspaceOptions& options) {
  return std::make_unique<Metaspace>(options);
}
PreTokenizerPtr sequence_pre_tokenizer(std::vector<PreTokenizerPtr> steps) {
  return std::make_unique<PreTokenizerSequence>(std::move(steps));
}

}  // namespace heed
