#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "heed/text/aligned_text.h"
#include "heed/text/chars_map.h"
#include "heed/text/normal_form.h"
#include "heed/text/regex.h"

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
/// Every match of `pattern` becomes `content`.
NormalizerPtr replace_normalizer(Regex pattern, std::u32string content);
/// SentencePiece's NMT rules without its map: some control characters go, kinds of white space and
/// invisible marks become a space.
NormalizerPtr nmt_normalizer();
/// Bytes in the characters of byte-level BPE (byte_level.h).
NormalizerPtr byte_level_normalizer();
/// Grapheme cluster by cluster, as the `tokenizers` library's Precompiled.
NormalizerPtr precompiled_normalizer(CharsMap map);
/// In front of a text that is not empty.
NormalizerPtr prepend_normalizer(std::u32string prefix);
NormalizerPtr sequence_normalizer(std::vector<NormalizerPtr> steps);

}  // namespace heed
