#include "heed/text/sentence_piece.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "heed/base/error.h"
#include "heed/text/bpe.h"
#include "heed/text/marked_words.h"
#include "heed/text/pipeline.h"
#include "heed/text/score_merges.h"
#include "heed/text/sentence_piece_file.h"
#include "heed/text/sentence_piece_layout.h"
#include "heed/text/sentence_piece_normalizer.h"
#include "heed/text/unicode.h"
#include "heed/text/unigram.h"

namespace heed {
namespace {

using Type = SentencePieceFile::Type;

bool is_comma_after_digit(std::string_view piece) {
  return piece.size() > 1 && piece.back() == ',' && piece[piece.size() - 2] >= '0' &&
         piece[piece.size() - 2] <= '9';
}

std::unique_ptr<const Model> unigram_model(const SentencePieceFile& file,
                                           const SentencePieceLayout& layout,
                                           const Vocabulary& vocabulary, std::string_view where) {
  UnigramOptions options{
      .unknown_id = layout.unknown, .sentence_piece = true, .word_mark = kWordMark};
  if (layout.finds_unknown) options.unknown_runs = &vocabulary;
  float least = std::numeric_limits<float>::max();
  for (const auto& piece : file.pieces) {
    if (piece.type == Type::normal) least = std::min(least, piece.score);
  }
  options.unknown_score = least - static_cast<float>(kUnknownPenalty);
  for (size_t i = 0; i < file.pieces.size(); ++i) {
    const auto& piece = file.pieces[i];
    double score = piece.score;
    if (piece.type == Type::user_defined) {  // above all others, as the library 0.2.3 has it
      score = static_cast<float>(0.1 * static_cast<double>(piece.text.size()) - 0.1);
    } else if (piece.type != Type::normal) {
      continue;
    } else if (is_comma_after_digit(piece.text)) {
      score -= layout.comma_penalty;
    }
    if (layout.ids[i] >= 0) options.pieces.push_back({piece.text, score, layout.ids[i]});
  }
  if (file.byte_fallback) {
    options.bytes.assign(256, -1);
    for (size_t i = 0; i < file.pieces.size(); ++i) {
      if (file.pieces[i].type != Type::byte) continue;
      options.bytes[static_cast<size_t>(byte_of_piece(file.pieces[i].text))] = layout.ids[i];
    }
  }
  return unigram(options, where);
}

/// Of a model of characters too: no piece is merged out of others there.
std::unique_ptr<const Model> bpe_model(const SentencePieceFile& file,
                                       const SentencePieceLayout& layout,
                                       const Vocabulary& vocabulary, std::string_view where) {
  const bool merges = file.kind == SentencePieceFile::Kind::bpe;
  std::vector<ScoredPiece> scored;
  std::vector<int32_t> unused;
  for (size_t i = 0; i < file.pieces.size(); ++i) {
    const auto& piece = file.pieces[i];
    if (layout.ids[i] != static_cast<int32_t>(i)) {
      throw Error(
          ErrorCode::unsupported,
          fmt::format("{}: a {} model with pieces in another order is not supported; give a "
                      "tokenizer.json",
                      where, merges ? "bpe" : "char"));
    }
    const bool is_unused = merges && piece.type == Type::unused;
    scored.push_back(
        {piece.text, piece.score, is_unused || (merges && piece.type == Type::normal)});
    if (is_unused) unused.push_back(layout.ids[i]);
  }
  return bpe(vocabulary,
             {.merges = merges_of_scores(scored),
              .unused = std::move(unused),
              .unknown = vocabulary.piece(layout.unknown),
              .fuse_unknown = true,
              .byte_fallback = file.byte_fallback},
             where);
}

std::unique_ptr<const Model> word_model(const SentencePieceFile& file,
                                        const SentencePieceLayout& layout, std::string_view where) {
  if (file.byte_fallback) {
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: a model of words with byte_fallback is not supported", where));
  }
  std::map<std::u32string, int32_t, std::less<>> ids;
  for (size_t i = 0; i < file.pieces.size(); ++i) {
    if (layout.ids[i] >= 0) ids.emplace(decode_utf8(file.pieces[i].text).chars, layout.ids[i]);
  }
  return marked_words(std::move(ids), layout.unknown);
}

NormalizerPtr normalizer_of(const SentencePieceFile& file, SentencePieceLayout& layout,
                            std::string_view where) {
  SentencePieceRules rules{.dummy_prefix = file.add_dummy_prefix,
                           .suffix = file.treat_whitespace_as_suffix,
                           .remove_extra_spaces = file.remove_extra_whitespaces,
                           .escape_spaces = file.escape_whitespaces};
  if (!file.charsmap.empty()) rules.map.emplace(file.charsmap, where);
  for (size_t i = 0; i < file.pieces.size(); ++i) {
    if (file.pieces[i].type != Type::user_defined) continue;
    rules.kept.add(decode_utf8(file.pieces[i].text).chars, static_cast<int32_t>(i));
  }
  std::vector<NormalizerPtr> steps = std::move(layout.before);
  steps.push_back(sentence_piece_normalizer(std::move(rules)));
  return sequence_normalizer(std::move(steps));
}

/// Cuts out pieces that no merge may touch.
class KeptPieces final : public PreTokenizer {
 public:
  explicit KeptPieces(StringSet kept) : kept_(std::move(kept)) {}
  void apply(PiecedText& text) const override {
    cut_pieces(text,
               [this](std::u32string_view chars, const Piece& piece, std::vector<Piece>& out) {
                 const std::u32string_view part = chars.substr(0, piece.end);
                 uint32_t done = piece.begin;
                 for (uint32_t at = piece.begin; at < piece.end;) {
                   const StringSet::Found found = kept_.longest_at(part, at);
                   if (found.value < 0) {
                     ++at;
                     continue;
                   }
                   if (done < at) out.push_back({done, at});
                   done = at + found.length;
                   out.push_back({at, done, found.value});
                   at = done;
                 }
                 if (done < piece.end) out.push_back({done, piece.end});
               });
  }

 private:
  StringSet kept_;
};

PreTokenizerPtr kept_pieces(const SentencePieceFile& file, const SentencePieceLayout& layout) {
  StringSet kept;
  for (size_t i = 0; i < file.pieces.size(); ++i) {
    if (file.pieces[i].type != Type::user_defined) continue;
    kept.add(decode_utf8(file.pieces[i].text).chars, layout.ids[i]);
  }
  return kept.empty() ? nullptr : std::make_unique<KeptPieces>(std::move(kept));
}

DecoderPtr decoder_of(const SentencePieceFile& file) {
  std::vector<DecoderPtr> steps;
  steps.push_back(replace_decoder(to_utf8({&kWordMark, 1}), " "));
  if (file.byte_fallback) steps.push_back(byte_fallback_decoder());
  steps.push_back(fuse_decoder());
  if (file.add_dummy_prefix) {
    const bool behind = file.treat_whitespace_as_suffix;
    steps.push_back(strip_decoder(" ", behind ? 0 : 1, behind ? 1 : 0));
  }
  return sequence_decoder(std::move(steps));
}

Template template_of(const SentencePieceLayout& layout, const Vocabulary& vocabulary,
                     const TokenizerConfig& config) {
  const auto part = [&](const std::vector<std::string>& tokens, int32_t type_id) {
    TemplatePart made{.type_id = type_id};
    for (const std::string& token : tokens) {
      made.ids.push_back(config.special(vocabulary, token).id);
      made.tokens.push_back(token);
    }
    return made;
  };
  const int32_t second = layout.second_type ? 1 : 0;
  Template out;
  out.single = {part(layout.first, 0), {.sequence = 0}, part(layout.last, 0)};
  out.pair = {part(layout.first, 0), {.sequence = 0}};
  if (!layout.joined) out.pair.push_back(part(layout.between, 0));
  out.pair.push_back({.sequence = 1, .type_id = second});
  out.pair.push_back(part(layout.last, second));
  return out;
}

}  // namespace

std::shared_ptr<const Tokenizer> tokenizer_from_sentence_piece(const SentencePieceFiles& files,
                                                               std::string_view where) {
  const SentencePieceFile file = read_sentence_piece(files.model, where);
  const TokenizerConfig config(files.settings, fmt::format("{}: ", where));
  SentencePieceLayout layout =
      sentence_piece_layout(file, config, files.model_type, files.vocab, where);
  TokenizerParts parts;
  parts.vocabulary = std::make_unique<Vocabulary>(std::move(layout.pieces), where);
  const Vocabulary& vocabulary = *parts.vocabulary;
  parts.normalizer = normalizer_of(file, layout, where);
  if (file.kind == SentencePieceFile::Kind::unigram) {
    parts.model = unigram_model(file, layout, vocabulary, where);
  } else if (file.kind == SentencePieceFile::Kind::word) {
    parts.model = word_model(file, layout, where);
  } else {
    parts.pre_tokenizer = kept_pieces(file, layout);
    parts.model = bpe_model(file, layout, vocabulary, where);
  }
  parts.decoder = decoder_of(file);
  parts.post = template_of(layout, vocabulary, config);
  parts.pad_tokens = {layout.pad};
  parts.added_tokens = config.added_tokens(vocabulary, layout.special, layout.mask);
  // the model's normaliser would put a text's first space before each of them
  for (AddedToken& added : parts.added_tokens) added.normalized = false;
  return make_tokenizer(std::move(parts), where);
}

std::filesystem::path sentence_piece_model_in(const std::filesystem::path& folder) {
  std::error_code ignored;
  for (const char* name : {"spiece.model", "sentencepiece.bpe.model", "tokenizer.model",
                           "source.spm", "sentencepiece.model"}) {
    if (std::filesystem::exists(folder / name, ignored)) return folder / name;
  }
  return {};
}

std::shared_ptr<const Tokenizer> target_tokenizer_in(const std::filesystem::path& folder) {
  std::error_code ignored;
  const std::filesystem::path model = folder / "target.spm";
  const bool one_file = std::filesystem::exists(folder / "tokenizer.json", ignored);
  return one_file || !std::filesystem::exists(model, ignored) ? nullptr : Tokenizer::load(model);
}

}  // namespace heed
