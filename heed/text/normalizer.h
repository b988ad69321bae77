#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "heed/text/aligned_text.h"
#include "heed/text/normal_form.h"

namespace heed {

/// Rewrites a section of text before it is cut into words. Immutable: safe from many threads.
class Normalizer {
 public:
  virtual ~Normalizer() = default;
  virtual void apply(AlignedText& text) const = 0;
};

using NormalizerPtr = std::unique_ptr<const Normalizer>;

struct BertNormalizerOptions {
  bool clean_text = true;             // drop control characters, every white space becomes ' '
  bool handle_chinese_chars = true;   // a space on both sides of every CJK ideograph
  std::optional<bool> strip_accents;  // absent: as lowercase
  bool lowercase = true;
};

NormalizerPtr bert_normalizer(const BertNormalizerOptions& options);
NormalizerPtr lowercase_normalizer();
NormalizerPtr normal_form_normalizer(NormalForm form);
/// Drops combining marks; decomposes nothing itself.
NormalizerPtr strip_accents_normalizer();
NormalizerPtr strip_normalizer(bool left, bool right);
/// Every `pattern` (not empty), left to right, becomes `content`.
NormalizerPtr replace_normalizer(std::u32string pattern, std::u32string content);
/// In front of a text that is not empty.
NormalizerPtr prepend_normalizer(std::u32string prefix);
NormalizerPtr sequence_normalizer(std::vector<NormalizerPtr> steps);

}  // namespace heed
