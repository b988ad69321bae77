#include "heed/text/normalizer.h"

#include <algorithm>
#include <utility>

#include "heed/base/error.h"
#include "heed/text/byte_level.h"
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

class ReplaceMatches final : public Normalizer {
 public:
  ReplaceMatches(Regex pattern, std::u32string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void apply(AlignedText& text) const override {
    Regex::Search search(pattern_);
    AlignedText replaced;
    size_t done = 0;
    search.each(text.chars, [&](size_t begin, size_t end) {
      replaced.append(text, done, begin);
      const SourceRange from = end == 0 ? SourceRange{0, 0} : text.from[end - 1];
      for (const char32_t c : content_) replaced.push_back(c, from);
      done = end;
    });
    replaced.append(text, done, text.size());
    text = std::move(replaced);
  }

 private:
  Regex pattern_;
  std::u32string content_;
};

class Nmt final : public Normalizer {
 public:
  void apply(AlignedText& text) const override {
    text.keep_if([](char32_t c) {
      const bool control = (c >= 0x01 && c <= 0x08) || c == 0x0B || (c >= 0x0E && c <= 0x1F);
      return !control && c != 0x7F && c != 0x8F && c != 0x9F;
    });
    for (char32_t& c : text.chars) {
      if (is_space(c)) c = U' ';
    }
  }

 private:
  static bool is_space(char32_t c) {
    constexpr std::u32string_view kSpaces =
        U"\t\n\f\r\u1680\u200B\u200C\u200D\u200E\u200F\u2028\u2029\u2581\uFEFF\uFFFD";
    return kSpaces.find(c) != std::u32string_view::npos;
  }
};

class ByteLevelNormalizer final : public Normalizer {
 public:
  void apply(AlignedText& text) const override {
    AlignedText out;
    append_byte_chars(text, 0, text.size(), out);
    text = std::move(out);
  }
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
NormalizerPtr replace_normalizer(Regex pattern, std::u32string content) {
  return std::make_unique<ReplaceMatches>(std::move(pattern), std::move(content));
}
NormalizerPtr nmt_normalizer() { return std::make_unique<Nmt>(); }
NormalizerPtr byte_level_normalizer() { return std::make_unique<ByteLevelNormalizer>(); }
NormalizerPtr prepend_normalizer(std::u32string prefix) {
  return std::make_unique<Prepend>(std::move(prefix));
}
NormalizerPtr sequence_normalizer(std::vector<NormalizerPtr> steps) {
  return std::make_unique<NormalizerSequence>(std::move(steps));
}

}  // namespace heed
