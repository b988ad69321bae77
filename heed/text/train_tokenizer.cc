#include "heed/text/train_tokenizer.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <unordered_map>
#include <utility>

#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/text/byte_level.h"
#include "heed/text/tokenizer_json_parts.h"
#include "heed/text/train_bpe.h"
#include "heed/text/unicode.h"

namespace heed {
namespace {

/// Members in the order in which the library writes them.
using FileJson = nlohmann::ordered_json;

constexpr const char* kContinuing = "##";

struct CharsHash {
  using is_transparent = void;
  size_t operator()(std::u32string_view chars) const {
    return std::hash<std::u32string_view>()(chars);
  }
};
using Counts = std::unordered_map<std::u32string, int64_t, CharsHash, std::equal_to<>>;

std::vector<std::string> special_of(const TokenizerTraining& options) {
  std::vector<std::string> special;
  if (options.special) {
    special = *options.special;
  } else if (options.kind == TokenizerKind::bpe) {
    special = {"<|endoftext|>"};
  } else if (options.kind == TokenizerKind::wordpiece) {
    special = {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"};
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

/// Every part but the model and the template, as the file will have it.
FileJson parts_of(const TokenizerTraining& options) {
  FileJson parts = {{"normalizer", nullptr}, {"pre_tokenizer", nullptr}};
  if (options.lowercase) parts["normalizer"] = {{"type", "Lowercase"}};
  switch (options.kind) {
    case TokenizerKind::chars:
      parts["decoder"] = {{"type", "Fuse"}};
      break;
    case TokenizerKind::bpe:
      parts["pre_tokenizer"] = {{"type", "ByteLevel"},
                                {"add_prefix_space", false},
                                {"trim_offsets", true},
                                {"use_regex", true}};
      parts["decoder"] = parts["pre_tokenizer"];
      break;
    case TokenizerKind::wordpiece:
      parts["normalizer"] = {{"type", "BertNormalizer"},
                             {"clean_text", true},
                             {"handle_chinese_chars", true},
                             {"strip_accents", nullptr},
                             {"lowercase", options.lowercase}};
      parts["pre_tokenizer"] = {{"type", "BertPreTokenizer"}};
      parts["decoder"] = {{"type", "WordPiece"}, {"prefix", kContinuing}, {"cleanup", true}};
      break;
  }
  return parts;
}

FileJson ids_by_piece(const std::vector<std::string>& pieces) {
  FileJson::object_t ids;  // filled at its end: operator[] searches it
  ids.reserve(pieces.size());
  for (size_t id = 0; id < pieces.size(); ++id) ids.emplace_back(pieces[id], id);
  return ids;
}

FileJson bpe_model(const BpePieces& learned, const std::optional<std::string>& unknown) {
  FileJson merges = FileJson::array();
  const auto piece = [&](int32_t id) { return learned.pieces[static_cast<size_t>(id)]; };
  for (const auto& [left, right] : learned.merges) {
    merges.push_back(FileJson::array({piece(left), piece(right)}));
  }
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", unknown ? FileJson(*unknown) : FileJson()},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", false},
          {"vocab", ids_by_piece(learned.pieces)},
          {"merges", std::move(merges)}};
}

FileJson word_piece_model(const BpePieces& learned, const std::string& unknown) {
  return {{"type", "WordPiece"},
          {"unk_token", unknown},
          {"continuing_subword_prefix", kContinuing},
          {"max_input_chars_per_word", 100},
          {"vocab", ids_by_piece(learned.pieces)}};
}

FileJson added_tokens(const std::vector<std::string>& special) {
  FileJson out = FileJson::array();
  for (size_t id = 0; id < special.size(); ++id) {
    out.push_back({{"id", id},
                   {"content", special[id]},
                   {"single_word", false},
                   {"lstrip", false},
                   {"rstrip", false},
                   {"normalized", false},
                   {"special", true}});
  }
  return out;
}

/// [CLS] A [SEP] and [CLS] A [SEP] B [SEP] where both are special tokens.
FileJson bert_processing(const std::vector<std::string>& special) {
  const auto item = [&](const std::string& token) -> FileJson {
    const auto at = std::find(special.begin(), special.end(), token);
    if (at == special.end()) return nullptr;
    return FileJson::array({token, at - special.begin()});
  };
  FileJson cls = item("[CLS]");
  FileJson sep = item("[SEP]");
  if (cls.is_null() || sep.is_null()) return nullptr;
  return {{"type", "BertProcessing"}, {"sep", std::move(sep)}, {"cls", std::move(cls)}};
}

FileJson post_processor(TokenizerKind kind, const std::vector<std::string>& special) {
  if (kind == TokenizerKind::wordpiece) return bert_processing(special);
  if (kind == TokenizerKind::chars) return nullptr;
  return {{"type", "ByteLevel"},
          {"add_prefix_space", true},
          {"trim_offsets", false},
          {"use_regex", true}};
}

std::u32string byte_alphabet() {
  std::u32string chars;
  for (int byte = 0; byte < 256; ++byte) chars += char_of_byte(static_cast<uint8_t>(byte));
  return chars;
}

}  // namespace

struct TokenizerTrainer::State {
  TokenizerTraining options;
  FileJson parts;
  NormalizerPtr normalizer;
  PreTokenizerPtr pre_tokenizer;
  Counts words;
  std::map<char32_t, int64_t> chars;

  void count(const PiecedText& text) {
    const std::u32string_view all = text.text.chars;
    if (options.kind == TokenizerKind::chars) {
      for (const char32_t c : all) ++chars[c];
      return;
    }
    for (const Piece& piece : text.pieces) {
      const auto word = all.substr(piece.begin, piece.end - piece.begin);
      const auto known = words.find(word);
      if (known != words.end()) {
        ++known->second;
      } else {
        words.emplace(word, 1);
      }
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
  BpePieces char_pieces() const {
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
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("train a tokenizer: {} of {} characters occur less than {} times: "
                                "leaving them out needs an unknown token",
                                chars.size() - kept.size(), chars.size(), *options.min_frequency));
      }
    }
    kept.resize(std::min(kept.size(), room));
    std::sort(kept.begin(), kept.end());
    BpePieces out{.pieces = *options.special};
    for (const auto& [c, count] : kept) {
      std::string piece = to_utf8({&c, 1});
      const auto& known = *options.special;
      if (std::find(known.begin(), known.end(), piece) == known.end()) {
        out.pieces.push_back(std::move(piece));
      }
    }
    return out;
  }

  BpePieces learn(const Progress& progress) const {
    if (options.kind == TokenizerKind::chars) return char_pieces();
    BpeTraining training{.vocab = options.vocab,
                         .min_frequency = options.min_frequency.value_or(2),
                         .special = *options.special};
    if (options.kind == TokenizerKind::bpe) {
      training.alphabet = byte_alphabet();
      check_vocab(256 + static_cast<int64_t>(options.special->size()), "256 bytes");
    } else {
      training.continuing_prefix = kContinuing;
    }
    std::vector<WordCount> counted;
    counted.reserve(words.size());
    for (const auto& [word, count] : words) counted.push_back({word, count});
    std::sort(counted.begin(), counted.end(),
              [](const WordCount& a, const WordCount& b) { return a.word < b.word; });
    BpePieces out = train_bpe(counted, training, progress);
    // the alphabet is kept whole, so it alone can be too much
    check_vocab(static_cast<int64_t>(out.pieces.size()),
                fmt::format("{} characters", out.pieces.size() - options.special->size()));
    return out;
  }
};

TokenizerTrainer::TokenizerTrainer(TokenizerTraining options) : state_(std::make_unique<State>()) {
  if (options.kind == TokenizerKind::wordpiece && !options.unknown) options.unknown = "[UNK]";
  options.special = special_of(options);
  check(options);
  state_->parts = parts_of(options);
  // read back, so that training sees words as the file's tokenizer will
  const Json parts = state_->parts;
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
  const TokenizerTraining& options = state_->options;
  if (state_->words.empty() && state_->chars.empty()) {
    throw Error(ErrorCode::invalid_argument,
                "train a tokenizer: needed a text with words, found none");
  }
  const BpePieces learned = state_->learn(progress);
  FileJson file = {{"version", "1.0"},
                   {"truncation", nullptr},
                   {"padding", nullptr},
                   {"added_tokens", added_tokens(*options.special)},
                   {"normalizer", state_->parts["normalizer"]},
                   {"pre_tokenizer", state_->parts["pre_tokenizer"]},
                   {"post_processor", post_processor(options.kind, *options.special)},
                   {"decoder", state_->parts["decoder"]}};
  file["model"] = options.kind == TokenizerKind::wordpiece
                      ? word_piece_model(learned, *options.unknown)
                      : bpe_model(learned, options.unknown);
  return file.dump(2) + "\n";
}

}  // namespace heed
