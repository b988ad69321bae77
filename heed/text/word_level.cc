#include "heed/text/word_level.h"

namespace heed {
namespace {

class WordLevel final : public Model {
 public:
  WordLevel(const Vocabulary& vocabulary, std::optional<int32_t> unknown)
      : vocabulary_(vocabulary), unknown_(unknown) {}

  void tokenize(std::u32string_view word, ModelOutput& out) const override {
    const auto known = vocabulary_.find(Vocabulary::hash_of(word), {}, word);
    const auto id = known ? known : unknown_;
    if (id) out.tokens.push_back({*id, 0, static_cast<uint32_t>(word.size())});
  }

  std::string_view kind() const override { return "WordLevel"; }

 private:
  const Vocabulary& vocabulary_;
  std::optional<int32_t> unknown_;
};

}  // namespace

std::unique_ptr<const Model> word_level(const Vocabulary& vocabulary, const std::string& unknown) {
  return std::make_unique<WordLevel>(vocabulary, vocabulary.find(unknown));
}

}  // namespace heed
