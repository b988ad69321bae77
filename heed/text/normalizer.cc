#include "heed/text/normalizer.h"

#include <algorithm>
#include <utility>

#include "heed/base/error.h"
#include "heed/text/unicode.h"

namespace heed {
namespace {

void lowercase(AlignedText& text) {
  size_t long_ones = 0;
  for (char32_t& c : text.chars) {
    if (c == kCapitalIWithDot) {
      ++long_ones;
    } else {
      c = simple_lower(c);
    }
  }
  if (long_ones == 0) return;
  AlignedText longer;
  longer.chars.reserve(text.size() + long_ones);
  longer.from.reserve(text.size() + long_ones);
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.chars[i] == kCapitalIWithDot) {
      longer.push_back(U'i', text.from[i]);
      longer.push_back(U'\u0307', text.from[i]);
    } else {
      longer.push_back(text.chars[i], text.from[i]);
    }
  }
  text = std::move(longer);
}

bool is_chinese(char32_t c) {
  // The reference's blocks; U+2B820..2B91F, which BERT's own code has, are missing there.
  return c >= 0x3400 &&
         ((c >= 0x4E00 && c <= 0x9FFF) || c <= 0x4DBF || (c >= 0xF900 && c <= 0xFAFF) ||
          (c >= 0x20000 && c <= 0x2A6DF) || (c >= 0x2A700 && c <= 0x2B81F) ||
          (c >= 0x2B920 && c <= 0x2CEAF) || (c >= 0x2F800 && c <= 0x2FA1F));
}

void clean(AlignedText& text) {
  text.keep_if([](char32_t c) {
    if (c >= 0x20 && c < 0x7F) return true;
    return c != kReplacementCharacter && !is_class(c, CodePointClass::control);
  });
  for (char32_t& c : text.chars) {
    if (is_whitespace(c)) c = U' ';
  }
}

void isolate_chinese(AlignedText& text) {
  const auto count = std::count_if(text.chars.begin(), text.chars.end(), is_chinese);
  if (count == 0) return;
  AlignedText spaced;
  spaced.chars.reserve(text.size() + 2 * static_cast<size_t>(count));
  spaced.from.reserve(text.size() + 2 * static_cast<size_t>(count));
  for (size_t i = 0; i < text.size(); ++i) {
    const bool chinese = is_chinese(text.chars[i]);
    if (chinese) spaced.push_back(U' ', text.from[i]);
    spaced.push_back(text.chars[i], text.from[i]);
    if (chinese) spaced.push_back(U' ', text.from[i]);
  }
  text = std::move(spaced);
}

void drop(AlignedText& text, CodePointClass kind) {
  text.keep_if([kind](char32_t c) { return c < 0x300 || !is_class(c, kind); });
}

class Bert final : public Normalizer {
 public:
  explicit Bert(const BertNormalizerOptions& options) : options_(options) {}
  void apply(AlignedText& text) const override {
    if (options_.clean_text) clean(text);
    if (options_.handle_chinese_chars) isolate_chinese(text);
    if (options_.strip_accents.value_or(options_.lowercase)) {
      normalize(text, NormalForm::nfd);
      drop(text, CodePointClass::nonspacing_mark);
    }
    if (options_.lowercase) lowercase(text);
  }

 private:
  BertNormalizerOptions options_;
};

class Lowercase final : public Normalizer {
 public:
  void apply(AlignedText& text) const override { lowercase(text); }
};

class NormalFormStep final : public Normalizer {
 public:
  explicit NormalFormStep(NormalForm form) : form_(form) {}
  void apply(AlignedText& text) const override { normalize(text, form_); }

 private:
  NormalForm form_;
};

class StripAccents final : public Normalizer {
 public:
  void apply(AlignedText& text) const override { drop(text, CodePointClass::combining_mark); }
};

class Strip final : public Normalizer {
 public:
  Strip(bool left, bool right) : left_(left), right_(right) {}
  void apply(AlignedText& text) const override {
    size_t begin = 0;
    size_t end = text.size();
    while (left_ && begin < end && is_whitespace(text.chars[begin])) ++begin;
    while (right_ && end > begin && is_whitespace(text.chars[end - 1])) --end;
    AlignedText kept;
    kept.append(text, begin, end);
    text = std::move(kept);
  }

 private:
  bool left_;
  bool right_;
};

class Replace final : public Normalizer {
 public:
  Replace(std::u32string pattern, std::u32string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {
    HEED_ASSERT(!pattern_.empty());
  }
  void apply(AlignedText& text) const override {
    AlignedText replaced;
    size_t done = 0;
    for (size_t at = text.chars.find(pattern_); at != std::u32string::npos;
         at = text.chars.find(pattern_, done)) {
      replaced.append(text, done, at);
      done = at + pattern_.size();
      for (const char32_t c : content_) replaced.push_back(c, text.from[done - 1]);
    }
    if (done == 0) return;
    replaced.append(text, done, text.size());
    text = std::move(replaced);
  }

 private:
  std::u32string pattern_;
  std::u32string content_;
};

class Prepend final : public Normalizer {
 public:
  explicit Prepend(std::u32string prefix) : prefix_(std::move(prefix)) {}
  void apply(AlignedText& text) const override {
    if (text.size() == 0) return;
    text.chars.insert(0, prefix_);
    text.from.insert(text.from.begin(), prefix_.size(), SourceRange(text.from.front()));
  }

 private:
  std::u32string prefix_;
};

class NormalizerSequence final : public Normalizer {
 public:
  explicit NormalizerSequence(std::vector<NormalizerPtr> steps) : steps_(std::move(steps)) {}
  void apply(AlignedText& text) const override {
    for (const auto& step : steps_) step->apply(text);
  }

 private:
  std::vector<NormalizerPtr> steps_;
};

}  // namespace

NormalizerPtr bert_normalizer(const BertNormalizerOptions& options) {
  return std::make_unique<Bert>(options);
}
NormalizerPtr lowercase_normalizer() { return std::make_unique<Lowercase>(); }
NormalizerPtr normal_form_normalizer(NormalForm form) {
  return std::make_unique<NormalFormStep>(form);
}
NormalizerPtr strip_accents_normalizer() { return std::make_unique<StripAccents>(); }
NormalizerPtr strip_normalizer(bool left, bool right) {
  return std::make_unique<Strip>(left, right);
}
NormalizerPtr replace_normalizer(std::u32string pattern, std::u32string content) {
  return std::make_unique<Replace>(std::move(pattern), std::move(content));
}
NormalizerPtr prepend_normalizer(std::u32string prefix) {
  return std::make_unique<Prepend>(std::move(prefix));
}
NormalizerPtr sequence_normalizer(std::vector<NormalizerPtr> steps) {
  return std::make_unique<NormalizerSequence>(std::move(steps));
}

}  // namespace heed
