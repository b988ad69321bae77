#include "heed/text/marked_words.h"

#include <algorithm>
#include <utility>

#include "heed/text/sentence_piece_normalizer.h"

namespace heed {
namespace {

class MarkedWords final : public Model {
 public:
  MarkedWords(std::map<std::u32string, int32_t, std::less<>> ids, int32_t unknown)
      : ids_(std::move(ids)), unknown_(unknown) {}

  void tokenize(std::u32string_view text, ModelOutput& out) const override {
    uint32_t unknown_from = 0, begin = 0;  // none waits where they are equal
    const auto add_unknown = [&] {
      if (unknown_from == begin) return;
      out.tokens.push_back({unknown_, unknown_from, begin, true, starts_word(text, unknown_from)});
    };
    while (begin < text.size()) {
      const auto end =
          static_cast<uint32_t>(std::min(text.find(kWordMark, begin + 1), text.size()));
      const auto found = ids_.find(text.substr(begin, end - begin));
      const bool known = found != ids_.end() && found->second != unknown_;
      if (known) {
        add_unknown();
        out.tokens.push_back({found->second, begin, end, false, starts_word(text, begin)});
        unknown_from = end;
      }
      begin = end;
    }
    add_unknown();
  }

  std::string_view kind() const override { return "WordLevel"; }

 private:
  static bool starts_word(std::u32string_view text, uint32_t begin) {
    return text[begin] == kWordMark;
  }

  std::map<std::u32string, int32_t, std::less<>> ids_;
  int32_t unknown_;
};

}  // namespace

std::unique_ptr<const Model> marked_words(std::map<std::u32string, int32_t, std::less<>> ids,
                                          int32_t unknown) {
  return std::make_unique<MarkedWords>(std::move(ids), unknown);
}

}  // namespace heed
