#include "heed/text/sentence_piece_normalizer.h"

#include <utility>

namespace heed {
namespace {

/// One text on its way.
class Writer {
 public:
  Writer(const SentencePieceRules& rules, const AlignedText& text)
      : rules_(rules), text_(text), space_(rules.escape_spaces ? kWordMark : U' ') {}

  AlignedText run() {
    skip_spaces();
    if (at_ == size()) return {};
    if (rules_.dummy_prefix && !rules_.suffix) push(space_);
    bool space_before = rules_.remove_extra_spaces;
    while (at_ < size()) {
      auto [length, to] = rule_at();
      while (space_before && to.starts_with(U' ')) to.remove_prefix(1);
      for (const char32_t c : to) push(c == U' ' ? space_ : c);
      if (!to.empty()) space_before = rules_.remove_extra_spaces && to.back() == U' ';
      at_ += length;
    }
    drop_last_spaces();
    if (rules_.dummy_prefix && rules_.suffix) push(space_);
    return aligned();
  }

 private:
  size_t size() const { return text_.size(); }

  CharsMap::Rule rule_at() const {
    const auto rest = std::u32string_view(text_.chars).substr(at_);
    const auto kept = rules_.kept.longest_at(text_.chars, at_);
    if (kept.value >= 0) return {kept.length, rest.substr(0, kept.length)};
    const auto rule = rules_.map ? rules_.map->longest(rest) : std::nullopt;
    return rule.value_or(CharsMap::Rule{1, rest.substr(0, 1)});
  }

  void skip_spaces() {
    while (rules_.remove_extra_spaces && at_ < size()) {
      const auto [length, to] = rule_at();
      if (to != U" ") return;
      at_ += length;
    }
  }

  void push(char32_t c) {
    chars_ += c;
    starts_.push_back(at_);
  }

  void drop_last_spaces() {
    while (rules_.remove_extra_spaces && !chars_.empty() && chars_.back() == space_) {
      at_ = starts_.back();
      chars_.pop_back();
      starts_.pop_back();
    }
  }

  AlignedText aligned() {
    AlignedText out;
    starts_.push_back(at_);
    const auto place = [&](size_t i) {
      return i < size() ? text_.from[i].start : text_.from.back().end;
    };
    for (size_t i = 0; i < chars_.size(); ++i) {
      out.push_back(chars_[i], {place(starts_[i]), place(starts_[i + 1])});
    }
    return out;
  }

  const SentencePieceRules& rules_;
  const AlignedText& text_;
  char32_t space_;
  size_t at_ = 0;
  std::u32string chars_;
  std::vector<size_t> starts_;  // of each of them, in the text
};

class SentencePieceNormalizer final : public Normalizer {
 public:
  explicit SentencePieceNormalizer(SentencePieceRules rules) : rules_(std::move(rules)) {}
  void apply(AlignedText& text) const override { text = Writer(rules_, text).run(); }

 private:
  SentencePieceRules rules_;
};

}  // namespace

NormalizerPtr sentence_piece_normalizer(SentencePieceRules rules) {
  return std::make_unique<SentencePieceNormalizer>(std::move(rules));
}

}  // namespace heed
