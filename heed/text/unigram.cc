#include "heed/text/unigram.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/text/piece_trie.h"
#include "heed/text/unicode.h"

namespace heed {
namespace {

// What the best way to a place ends with: a piece by its number, or one of these.
constexpr int32_t kUnknownChar = -1;
constexpr int32_t kNotReached = -2;

using Strings = std::vector<std::pair<std::u32string, int32_t>>;

void check(Strings strings, std::string_view where) {
  std::sort(strings.begin(), strings.end());
  if (!strings.empty() && strings.front().first.empty()) {
    throw Error(ErrorCode::corrupt_data, fmt::format("{}: a piece is empty", where));
  }
  const auto twice =
      std::adjacent_find(strings.begin(), strings.end(),
                         [](const auto& a, const auto& b) { return a.first == b.first; });
  if (twice != strings.end()) {
    throw Error(ErrorCode::corrupt_data, fmt::format("{}: the piece {} is there twice", where,
                                                     in_quotes(to_utf8(twice->first))));
  }
}

/// The tokens of one word as they are found: known pieces, and runs of unknown characters, which
/// wait for more of them.
class Tokens {
 public:
  Tokens(const UnigramOptions& options, std::u32string_view word, std::vector<ModelToken>& out)
      : options_(options), word_(word), out_(out) {}

  void known(int32_t id, uint32_t begin, uint32_t end) {
    finish();
    out_.push_back({id, begin, end, false, starts_word(begin)});
  }
  /// spelled: the text has the unknown piece itself.
  void unknown(uint32_t begin, uint32_t end, bool spelled) {
    const bool splits = options_.sentence_piece && !options_.bytes.empty();
    if (splits) finish();
    spelled_ = spelled && begin_ == end_;
    if (begin_ == end_) begin_ = begin;
    end_ = end;
  }
  void finish() {
    if (begin_ == end_) return;
    if (spelled_ || !add_bytes()) add(options_.unknown_id);
    begin_ = end_;
  }

 private:
  bool starts_word(uint32_t begin) const {
    return options_.word_mark != 0 && word_[begin] == options_.word_mark;
  }

  void add(int32_t id) {
    if (options_.unknown_runs != nullptr) {
      const std::u32string_view run = word_.substr(begin_, end_ - begin_);
      id = options_.unknown_runs->find(Vocabulary::hash_of(run), {}, run).value_or(id);
    }
    if (id >= 0) out_.push_back({id, begin_, end_, true, starts_word(begin_)});
  }

  bool add_bytes() {
    if (options_.bytes.empty()) return false;
    const std::string text = to_utf8(word_.substr(begin_, end_ - begin_));
    const auto id = [&](char byte) { return options_.bytes[static_cast<uint8_t>(byte)]; };
    if (std::any_of(text.begin(), text.end(), [&](char byte) { return id(byte) < 0; })) {
      return false;
    }
    for (const char byte : text) out_.push_back({id(byte), begin_, end_});
    return true;
  }

  const UnigramOptions& options_;
  std::u32string_view word_;
  std::vector<ModelToken>& out_;
  uint32_t begin_ = 0;  // of the run that waits; none if it is empty
  uint32_t end_ = 0;
  bool spelled_ = false;
};

class Unigram final : public Model {
 public:
  Unigram(const UnigramOptions& options, std::string_view where) : options_(options) {
    Strings strings;
    strings.reserve(options_.pieces.size());
    pieces_.reserve(options_.pieces.size());
    for (const UnigramPiece& piece : options_.pieces) {
      strings.emplace_back(decode_utf8(piece.text).chars, static_cast<int32_t>(strings.size()));
      pieces_.push_back({piece.score, piece.id});
    }
    check(strings, where);
    trie_ = PieceTrie(std::move(strings));
    options_.pieces = {};
  }

  void tokenize(std::u32string_view word, ModelOutput& out) const override {
    std::vector<PathEnd>& ends = out.path;
    Tokens tokens(options_, word, out.tokens);
    uint32_t decided = 0;  // the best way to the end leads through here
    ends.assign(1, {0, 0, kNotReached});
    for (uint32_t at = 0; at < word.size(); ++at) {
      if (at > decided && ends.size() == at - decided + 1) {  // no piece reaches over it
        emit(decided, out, tokens);
        ends.assign(1, {ends.back().score, 0, kNotReached});
        decided = at;
      }
      extend(word, at, decided, ends);
    }
    emit(decided, out, tokens);
    tokens.finish();
  }

  std::string_view kind() const override { return "Unigram"; }

 private:
  struct Piece {
    double score;
    int32_t id;
  };

  /// Offers what can begin at `at` to the places where it ends. The first of equal offers stays.
  void extend(std::u32string_view word, uint32_t at, uint32_t decided,
              std::vector<PathEnd>& ends) const {
    const double before = ends[at - decided].score;
    const auto offer = [&](uint32_t end, double score, int32_t piece) {
      if (ends.size() <= end - decided) ends.resize(end - decided + 1, {0, 0, kNotReached});
      PathEnd& best = ends[end - decided];
      score = rounded(score);
      if (best.piece == kNotReached || score > best.score) best = {score, at, piece};
    };
    bool has_char = false;
    uint32_t node = PieceTrie::kRoot;
    for (uint32_t i = at; i < word.size(); ++i) {
      node = trie_.child(node, word[i]);
      if (node == PieceTrie::kRoot) break;
      const int32_t piece = trie_.value(node);
      if (piece < 0) continue;
      offer(i + 1, pieces_[static_cast<size_t>(piece)].score + before, piece);
      has_char = has_char || i == at;
    }
    if (!has_char) offer(at + 1, options_.unknown_score + before, kUnknownChar);
  }

  double rounded(double score) const {
    return options_.sentence_piece ? double{static_cast<float>(score)} : score;
  }

  /// The tokens of the best way from `decided` to the last of the ends.
  void emit(uint32_t decided, ModelOutput& out, Tokens& tokens) const {
    out.steps.clear();
    for (size_t at = out.path.size() - 1; at > 0; at = out.path[at].begin - decided) {
      out.steps.push_back(decided + static_cast<uint32_t>(at));
    }
    uint32_t begin = decided;
    for (size_t i = out.steps.size(); i-- > 0;) {
      const uint32_t end = out.steps[i];
      const int32_t piece = out.path[end - decided].piece;
      const int32_t id =
          piece < 0 ? UnigramPiece::kUnknown : pieces_[static_cast<size_t>(piece)].id;
      if (id == UnigramPiece::kUnknown) {
        tokens.unknown(begin, end, piece >= 0);
      } else {
        tokens.known(id, begin, end);
      }
      begin = end;
    }
  }

  UnigramOptions options_;  // but for the pieces
  std::vector<Piece> pieces_;
  PieceTrie trie_;
};

}  // namespace

std::unique_ptr<const Model> unigram(const UnigramOptions& options, std::string_view where) {
  return std::make_unique<Unigram>(options, where);
}

}  // namespace heed
