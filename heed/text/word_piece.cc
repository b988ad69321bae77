#include "heed/text/word_piece.h"

#include <fmt/format.h>

#include <algorithm>

#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/text/unicode.h"

namespace heed {
namespace {

class WordPiece final : public Model {
 public:
  WordPiece(const Vocabulary& vocabulary, const WordPieceOptions& options, int32_t unknown_id)
      : vocabulary_(vocabulary),
        prefix_(decode_utf8(options.continuing_prefix).chars),
        prefix_hash_(Vocabulary::hash_of(prefix_)),
        max_chars_(static_cast<size_t>(options.max_chars_per_word)),
        unknown_id_(unknown_id) {}

  void tokenize(std::u32string_view word, ModelOutput& out) const override {
    const size_t before = out.tokens.size();
    uint32_t begin = 0;
    while (word.size() <= max_chars_ && begin < word.size()) {
      const auto token = longest_piece(word, begin, out.hashes);
      if (!token) break;
      out.tokens.push_back(*token);
      begin = token->end;
    }
    if (begin == word.size()) return;
    out.tokens.resize(before);
    out.tokens.push_back({unknown_id_, 0, static_cast<uint32_t>(word.size())});
  }

  std::string_view kind() const override { return "WordPiece"; }

 private:
  std::optional<ModelToken> longest_piece(std::u32string_view word, uint32_t begin,
                                          std::vector<Vocabulary::Hash>& hashes) const {
    const std::u32string_view prefix = begin == 0 ? std::u32string_view() : prefix_;
    const std::u32string_view rest = word.substr(begin, vocabulary_.longest_chars());
    hashes.resize(rest.size());
    Vocabulary::Hash hash = begin == 0 ? Vocabulary::kEmpty : prefix_hash_;
    for (size_t i = 0; i < rest.size(); ++i) {
      hash = Vocabulary::extend(hash, rest[i]);
      hashes[i] = hash;
    }
    for (size_t length = rest.size(); length > 0; --length) {
      if (const auto id = vocabulary_.find(hashes[length - 1], prefix, rest.substr(0, length))) {
        return ModelToken{*id, begin, begin + static_cast<uint32_t>(length)};
      }
    }
    return std::nullopt;
  }

  const Vocabulary& vocabulary_;
  std::u32string prefix_;
  Vocabulary::Hash prefix_hash_;
  size_t max_chars_;
  int32_t unknown_id_;
};

}  // namespace

std::unique_ptr<const Model> word_piece(const Vocabulary& vocabulary,
                                        const WordPieceOptions& options, std::string_view where) {
  const auto unknown = vocabulary.find(options.unknown);
  if (!unknown) {
    throw Error(ErrorCode::corrupt_data,
                fmt::format("{}: the vocabulary of {} pieces lacks the unknown token {}, which "
                            "WordPiece gives for words that it cannot build",
                            where, vocabulary.size(), in_quotes(options.unknown)));
  }
  return std::make_unique<WordPiece>(vocabulary, options, *unknown);
}

}  // namespace heed
