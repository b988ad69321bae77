// The `tokenizers` library's Precompiled: a SentencePiece normaliser's rules, applied as that
// library does. SentencePiece itself reads the same rules otherwise (sentence_piece_normalizer.cc).

#include <utility>

#include "heed/text/chars_map.h"
#include "heed/text/grapheme.h"
#include "heed/text/normalizer.h"

namespace heed {
namespace {

/// Clusters of this many bytes are looked up character by character alone.
constexpr size_t kLongBytes = 6;

size_t utf8_bytes(std::u32string_view chars) {
  size_t bytes = 0;
  for (const char32_t c : chars) bytes += c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  return bytes;
}

/// `old` characters become `to`. What is dropped belongs to the character before it; at a text's
/// start there is none, and what follows is counted from the dropped ones on, as in the library.
void replace(std::vector<RewrittenChar>& out, size_t old, std::u32string_view to) {
  for (size_t i = 0; i < to.size(); ++i) out.push_back({to[i], i < old ? 0 : 1});
  if (to.size() < old && !out.empty()) out.back().change -= static_cast<int32_t>(old - to.size());
}

class Precompiled final : public Normalizer {
 public:
  explicit Precompiled(CharsMap map) : map_(std::move(map)) {}

  void apply(AlignedText& text) const override {
    const std::u32string_view chars = text.chars;
    std::vector<RewrittenChar> out;
    out.reserve(chars.size());
    bool changed = false;
    const auto try_rule = [&](std::u32string_view part) {
      const auto rule = map_.shortest(part);
      if (!rule) return false;
      replace(out, part.size(), rule->to);
      return changed = true;
    };
    for (size_t at = 0; at < chars.size();) {
      const size_t end = grapheme_end(chars, at);
      const std::u32string_view cluster = chars.substr(at, end - at);
      at = end;
      if (utf8_bytes(cluster) < kLongBytes && try_rule(cluster)) continue;
      for (size_t i = 0; i < cluster.size(); ++i) {
        if (!try_rule(cluster.substr(i, 1))) out.push_back({cluster[i], 0});
      }
    }
    if (changed) text.rewrite(out);
  }

 private:
  CharsMap map_;
};

}  // namespace

NormalizerPtr precompiled_normalizer(CharsMap map) {
  return std::make_unique<Precompiled>(std::move(map));
}

}  // namespace heed
