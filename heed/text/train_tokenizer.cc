#include "heed/text/train_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/text/byte_level.h"
#include "heed/text/tokenizer_json_parts.h"
#include "heed/text/train_bpe.h"
#include "heed/text/train_unigram.h"
#include "heed/text/unicode.h"
#include "heed/text/write_tokenizer.h"

namespace heed {
namespace {

struct CharsHash {
  using is_transparent = void;
  size_t operator()(std::u32string_view chars) const {
    return std::hash<std::u32string_view>()(chars);
  }
};
struct Places {
  int64_t count = 0;
  int64_t last = 0;  // of a text
};
using Counts = std::unordered_map<std::u32string, Places, CharsHash, std::equal_to<>>;

std::vector<std::string> special_of(const TokenizerTraining& options) {
  std::vector<std::string> special;
  if (options.special) {
    special = *options.special;
  } else if (options.kind == TokenizerKind::bpe) {
    special = {"<|endoftext|>"};
  } else if (options.kind == TokenizerKind::wordpiece) {
    special = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
  } else if (options.kind == TokenizerKind::unigram) {
    special = {"<pad>", "</s>", "<unk>"};
  }
  const auto known = std::find(special.begin(), special.end(), options.unknown.value_or(""));
  if (options.unknown && known == special.end()) special.push_back(*options.unknown);
  return special;
}

void check(const TokenizerTraining& options) {
  const auto refuse = [](const std::string& message) {
    throw Error(ErrorCode::invalid_argument, "train a tokenizer: " + message);
  };
  if (options.vocab < 1) refuse(fmt::format("vocab must be at least 1 but is {}", options.vocab));
  if (options.min_frequency.value_or(1) < 1) {
    refuse(fmt::format("min_frequency must be at least 1 but is {}", *options.min_frequency));
  }
  if (options.kind == TokenizerKind::unigram && options.min_frequency) {
    refuse("min_frequency is for pairs and characters; unigram keeps pieces by their likelihood");
  }
  if (options.kind == TokenizerKind::bpe && options.unknown) {
    refuse("nothing is unknown to byte-level BPE, so it takes no unknown token");
  }
  std::vector<std::string> special = *options.special;
  std::sort(special.begin(), special.end());
  const auto twice = std::adjacent_find(special.begin(), special.end());
  if (twice != special.end()) {
    refuse(fmt::format("the special token {} is given twice", in_quotes(*twice)));
  }
  for (const std::string& token : special) {
    if (token.empty() || !is_valid_utf8(token)) {
      refuse(
          fmt::format("a special token must be UTF-8 and not empty, found {}", in_quotes(token)));
    }
  }
}

std::u32string byte_alphabet() {
  std::u32string chars;
  for (int byte = 0; byte < 256; ++byte) chars += char_of_byte(static_cast<uint8_t>(byte));
  return chars;
}

}  // namespace

struct TokenizerTrainer::State {
  TokenizerTraining options;
  NormalizerPtr normalizer;
  PreTokenizerPtr pre_tokenizer;
  Counts words;
  std::map<char32_t, int64_t> chars;

  void count(const PiecedText& text) {
    const std::u32string_view all = text.text.chars;
    if (options.kind == TokenizerKind::characters) {
      for (const char32_t c : all) ++chars[c];
      return;
    }
    for (const Piece& piece : text.pieces) {
      const auto word = all.substr(piece.begin, piece.end - piece.begin);
      auto known = words.find(word);
      if (known == words.end()) known = words.emplace(word, Places{}).first;
      ++known->second.count;
      known->second.last += piece.end == all.size();
    }
  }

  void check_vocab(int64_t needed, std::string_view of) const {
    if (needed <= options.vocab) return;
    throw Error(ErrorCode::invalid_argument,
                fmt::format("train a tokenizer: vocab must be at least {} ({} and {} special "
                            "tokens) but is {}",
                            needed, of, options.special->size(), options.vocab));
  }

  /// The most frequent characters that there is room for, by code point.
  LearnedPieces char_pieces() const {
    std::vector<std::pair<char32_t, int64_t>> kept(chars.begin(), chars.end());
    std::erase_if(kept,
                  [&](const auto& c) { return c.second < options.min_frequency.value_or(1); });
    std::stable_sort(kept.begin(), kept.end(),
                     [](const auto& a, const auto& b) { return a.second > b.second; });
    const auto special = static_cast<int64_t>(options.special->size());
    const auto room = static_cast<size_t>(std::max<int64_t>(0, options.vocab - special));
    if (!options.unknown) {
      check_vocab(special + static_cast<int64_t>(kept.size()),
                  fmt::format("{} characters", kept.size()));
      if (kept.size() < chars.size()) {
        throw Error(
            ErrorCode::invalid_argument,
            fmt::format("train a tokenizer: leaving out {} of {} that occur less than {} "
                        "times needs an unknown token",
                        chars.size() - kept.size(), heed::counted(std::ssize(chars), "character"),
                        *options.min_frequency));
      }
    }
    kept.resize(std::min(kept.size(), room));
    std::sort(kept.begin(), kept.end());
    LearnedPieces out{.pieces = *options.special};
    for (const auto& [c, count] : kept) {
      std::string piece = to_utf8({&c, 1});
      const auto& known = *options.special;
      if (std::find(known.begin(), known.end(), piece) == known.end()) {
        out.pieces.push_back(std::move(piece));
      }
    }
    return out;
  }

  /// By text: what is learned must not depend on the order of a hash map.
  std::vector<WordCount> counted() const {
    std::vector<WordCount> out;
    out.reserve(words.size());
    for (const auto& [word, places] : words) out.push_back({word, places.count, places.last});
    std::sort(out.begin(), out.end(),
              [](const WordCount& a, const WordCount& b) { return a.word < b.word; });
    return out;
  }

  LearnedPieces unigram_pieces(const Progress& progress) const {
    std::set<char32_t> needed;
    for (const auto& [word, places] : words) needed.insert(word.begin(), word.end());
    const auto special = static_cast<int64_t>(options.special->size());
    check_vocab(special + std::ssize(needed), fmt::format("{} characters", needed.size()));
    LearnedPieces out{.pieces = *options.special};
    out.scores.resize(out.pieces.size());
    for (auto& [piece, score] :
         train_unigram(counted(), {.vocab = options.vocab, .special = special}, progress)) {
      const auto& known = *options.special;
      if (std::find(known.begin(), known.end(), piece) != known.end()) continue;
      out.pieces.push_back(std::move(piece));
      out.scores.push_back(score);
    }
    return out;
  }

  LearnedPieces learn(const Progress& progress) const {
    if (options.kind == TokenizerKind::characters) return char_pieces();
    if (options.kind == TokenizerKind::unigram) return unigram_pieces(progress);
    BpeTraining training{.vocab = options.vocab,
                         .min_frequency = options.min_frequency.value_or(2),
                         .special = *options.special};
    if (options.kind == TokenizerKind::bpe) {
      training.alphabet = byte_alphabet();
      check_vocab(256 + static_cast<int64_t>(options.special->size()), "256 bytes");
    } else {
      training.continuing_prefix = kContinuingPrefix;
    }
    LearnedPieces out = train_bpe(counted(), training, progress);
    // the alphabet is kept whole, so it alone can be too much
    check_vocab(static_cast<int64_t>(out.pieces.size()),
                fmt::format("{} characters", out.pieces.size() - options.special->size()));
    return out;
  }
};

std::optional<TokenizerKind> tokenizer_kind(std::string_view name) {
  const auto found = std::ranges::find(kTokenizerKinds, name);
  if (found == kTokenizerKinds.end()) return std::nullopt;
  return static_cast<TokenizerKind>(found - kTokenizerKinds.begin());
}

TokenizerTrainer::TokenizerTrainer(TokenizerTraining options) : state_(std::make_unique<State>()) {
  if (!options.unknown && options.kind == TokenizerKind::wordpiece) options.unknown = "[UNK]";
  if (!options.unknown && options.kind == TokenizerKind::unigram) options.unknown = "<unk>";
  options.special = special_of(options);
  check(options);
  // read back, so that training sees words as the file's tokenizer will
  const Json parts = trained_parts(options);
  const JsonField json(parts, "train a tokenizer:");
  if (json.has("normalizer")) state_->normalizer = read_normalizer(json["normalizer"]);
  if (json.has("pre_tokenizer")) state_->pre_tokenizer = read_pre_tokenizer(json["pre_tokenizer"]);
  state_->options = std::move(options);
}

TokenizerTrainer::~TokenizerTrainer() = default;

void TokenizerTrainer::add(std::string_view text) {
  PiecedText pieced;
  pieced.text = AlignedText::identity(decode_utf8(text).chars, 0);
  if (state_->normalizer) state_->normalizer->apply(pieced.text);
  if (pieced.text.size() == 0) return;
  pieced.pieces = {{0, static_cast<uint32_t>(pieced.text.size())}};
  if (state_->pre_tokenizer) state_->pre_tokenizer->apply(pieced);
  state_->count(pieced);
}

std::string TokenizerTrainer::train(const Progress& progress) const {
  if (state_->words.empty() && state_->chars.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "train a tokenizer: needed a text with words, found none");
  }
  return write_tokenizer(state_->options, state_->learn(progress));
}

}  // namespace heed
