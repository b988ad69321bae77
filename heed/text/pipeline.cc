#include "heed/text/pipeline.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "heed/base/error.h"
#include "heed/text/unicode.h"

namespace heed {
namespace {

struct Token {
  int32_t id;
  uint32_t begin;  // in the pieced text
  uint32_t end;
  int32_t word;
  bool as_text;  // its text is what stands there, not the vocabulary's piece
};

// One text on its way: as given, as cut, and as tokens.
struct Sequence {
  DecodedText given;
  PiecedText pieced;
  std::vector<Token> tokens;
};

class Pipeline final : public Tokenizer {
 public:
  Pipeline(TokenizerParts parts, std::string_view where)
      : parts_(std::move(parts)),
        added_(std::move(parts_.added_tokens), *parts_.vocabulary, parts_.normalizer.get(), where) {
    for (const auto* side : {&parts_.post.single, &parts_.post.pair}) {
      for (const TemplatePart& part : *side) check(part, where);
    }
  }

  Encoding encode(std::string_view text, const EncodeOptions& options) const override {
    const std::array<std::string_view, 1> texts = {text};
    return encode_all(texts, options);
  }

  Encoding encode_pair(std::string_view first, std::string_view second,
                       const EncodeOptions& options) const override {
    const std::array<std::string_view, 2> texts = {first, second};
    return encode_all(texts, options);
  }

  std::vector<Encoding> encode_windows(std::string_view text,
                                       const WindowOptions& options) const override {
    const std::array<std::string_view, 1> texts = {text};
    return windows_of(texts, options);
  }

  std::vector<Encoding> encode_pair_windows(std::string_view first, std::string_view second,
                                            const WindowOptions& options) const override {
    const std::array<std::string_view, 2> texts = {first, second};
    return windows_of(texts, options);
  }

  std::string decode_bytes(std::span<const int32_t> ids, bool skip_special) const override {
    std::vector<std::string_view> tokens;
    tokens.reserve(ids.size());
    for (const int32_t id : ids) {
      if (id >= vocab_size()) continue;  // a model's table may have more rows than there are pieces
      const AddedToken* added = added_.of_id(id);
      if (added == nullptr) {
        tokens.emplace_back(token_of(id));
      } else if (!skip_special || !added->special) {
        tokens.emplace_back(added_.decoded_text(*added));
      }
    }
    return parts_.decoder->decode(tokens);
  }

  int64_t vocab_size() const override {
    return parts_.vocabulary->size() + static_cast<int64_t>(added_.extra().size());
  }

  std::optional<int32_t> id_of(std::string_view token) const override {
    if (const auto id = parts_.vocabulary->find(token)) return id;
    const auto extra = added_.extra();
    const auto at = std::find(extra.begin(), extra.end(), token);
    if (at == extra.end()) return std::nullopt;
    return static_cast<int32_t>(parts_.vocabulary->size() + (at - extra.begin()));
  }

  const std::string& token_of(int32_t id) const override {
    if (id < 0 || id >= vocab_size()) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("token of id {}: ids must be in [0, {}), the vocabulary's size", id,
                              vocab_size()));
    }
    const int64_t extra = id - parts_.vocabulary->size();
    return extra < 0 ? parts_.vocabulary->piece(id) : added_.extra()[static_cast<size_t>(extra)];
  }

  std::optional<int32_t> pad_id() const override {
    for (const std::string& token : parts_.pad_tokens) {
      if (const auto id = id_of(token)) return id;
    }
    return std::nullopt;
  }
  std::string_view kind() const override { return parts_.model->kind(); }

 protected:
  std::string join_bytes(std::span<const std::string_view> pieces) const override {
    return parts_.decoder->decode(pieces);
  }

 private:
  void check(const TemplatePart& part, std::string_view where) const {
    for (const int32_t id : part.ids) {
      if (id < 0 || id >= vocab_size()) {
        throw Error(ErrorCode::corrupt_data,
                    fmt::format("{}: post_processor has a special token of id {}, but ids must be "
                                "in [0, {}), the vocabulary's size",
                                where, id, vocab_size()));
      }
    }
  }

  Encoding encode_all(std::span<const std::string_view> texts, const EncodeOptions& options) const {
    const std::optional<int64_t> limit = text_limit(texts.size(), options);
    std::array<Sequence, 2> sequences;
    // the longer one of two texts is known only at the end of both
    const auto enough = texts.size() == 1 ? limit : std::nullopt;
    for (size_t i = 0; i < texts.size(); ++i) sequences[i] = tokenize(texts[i], enough);
    Encoding out;
    out.truncated = limit && cut(sequences, *limit);
    assemble(sequences, texts.size(), options.add_special, out);
    return out;
  }

  // The last text in parts that overlap; the first of two stands whole before each.
  std::vector<Encoding> windows_of(std::span<const std::string_view> texts,
                                   const WindowOptions& options) const {
    std::array<Sequence, 2> sequences;
    for (size_t i = 0; i < texts.size(); ++i) sequences[i] = tokenize(texts[i], std::nullopt);
    Sequence& moving = sequences[texts.size() - 1];
    const std::vector<Token> all = std::move(moving.tokens);
    const int64_t beside =
        parts_.post.added(texts.size()) +
        (texts.size() == 2 ? static_cast<int64_t>(sequences[0].tokens.size()) : 0);
    const int64_t room = options.max_tokens - beside;
    if (options.stride < 0 || room <= options.stride) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("tokenize: windows of {} tokens, {} of them beside the text, must "
                              "have room for more than the {} that they share",
                              options.max_tokens, beside, options.stride));
    }
    std::vector<Encoding> windows;
    const auto count = static_cast<int64_t>(all.size());
    for (int64_t begin = 0;; begin += room - options.stride) {
      const int64_t end = std::min(count, begin + room);
      moving.tokens.assign(all.begin() + begin, all.begin() + end);
      assemble(sequences, texts.size(), /*add_special=*/true, windows.emplace_back());
      if (end == count) return windows;
    }
  }

  // Whether anything had to go.
  static bool cut(std::array<Sequence, 2>& sequences, int64_t limit) {
    const auto first = static_cast<int64_t>(sequences[0].tokens.size());
    const auto second = static_cast<int64_t>(sequences[1].tokens.size());
    const auto kept = longest_first(first, second, limit);
    sequences[0].tokens.resize(static_cast<size_t>(kept[0]));
    sequences[1].tokens.resize(static_cast<size_t>(kept[1]));
    return kept[0] < first || kept[1] < second;
  }

  // How many tokens the texts may have.
  std::optional<int64_t> text_limit(size_t texts, const EncodeOptions& options) const {
    if (!options.max_tokens) return std::nullopt;
    const int64_t special = options.add_special ? parts_.post.added(texts) : 0;
    if (*options.max_tokens < special || *options.max_tokens < 0) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("tokenize: max_tokens is {} but must be at least {}, the special "
                              "tokens around {}",
                              *options.max_tokens, special, texts == 1 ? "a text" : "a pair"));
    }
    return *options.max_tokens - special;
  }

  // Stops when there are more than `enough` tokens: what follows would be cut anyway.
  Sequence tokenize(std::string_view text, std::optional<int64_t> enough) const {
    Sequence out;
    out.given = decode_utf8(text);
    out.pieced = pieces_of(out.given.chars);
    ModelOutput model;
    const std::u32string_view chars = out.pieced.text.chars;
    int32_t word = -1;
    for (const Piece& piece : out.pieced.pieces) {
      ++word;
      if (piece.added_id >= 0) {
        out.tokens.push_back({piece.added_id, piece.begin, piece.end, word, true});
        continue;
      }
      model.tokens.clear();
      parts_.model->tokenize(chars.substr(piece.begin, piece.end - piece.begin), model);
      for (const ModelToken& token : model.tokens) {
        if (token.starts_word && token.begin > 0) ++word;
        out.tokens.push_back(
            {token.id, piece.begin + token.begin, piece.begin + token.end, word, token.as_text});
      }
      if (enough && static_cast<int64_t>(out.tokens.size()) > *enough) break;
    }
    return out;
  }

  // Added tokens of the raw text, then the normaliser, added tokens of the normal text, words.
  PiecedText pieces_of(std::u32string_view chars) const {
    PiecedText out;
    std::vector<Piece> sections;
    added_.split(chars, /*normalized=*/false, sections);
    std::vector<Piece> parts;
    for (const Piece& section : sections) {
      AlignedText text = AlignedText::identity(
          chars.substr(section.begin, section.end - section.begin), section.begin);
      parts.clear();
      if (section.added_id >= 0) {
        parts.push_back({0, static_cast<uint32_t>(text.size()), section.added_id});
      } else {
        if (parts_.normalizer) parts_.normalizer->apply(text);
        added_.split(text.chars, /*normalized=*/true, parts);
      }
      const auto base = static_cast<uint32_t>(out.text.size());
      for (Piece& part : parts) {
        out.pieces.push_back({base + part.begin, base + part.end, part.added_id});
      }
      if (sections.size() == 1) {
        out.text = std::move(text);
      } else {
        out.text.append(text, 0, text.size());
      }
    }
    if (parts_.pre_tokenizer) parts_.pre_tokenizer->apply(out);
    return out;
  }

  void assemble(const std::array<Sequence, 2>& sequences, size_t texts, bool add_special,
                Encoding& out) const {
    const auto& parts = parts_.post.parts(texts);
    size_t count = static_cast<size_t>(parts_.post.added(texts));
    for (const Sequence& sequence : sequences) count += sequence.tokens.size();
    out.ids.reserve(count);
    out.tokens.reserve(count);
    out.type_ids.reserve(count);
    out.offsets.reserve(count);
    out.byte_offsets.reserve(count);
    out.words.reserve(count);
    out.special.reserve(count);
    for (const TemplatePart& part : parts) {
      if (part.sequence >= 0) {
        append(sequences[static_cast<size_t>(part.sequence)], part.type_id, out);
      } else if (add_special) {
        append_special(part, out);
      }
    }
  }

  void append(const Sequence& sequence, int32_t type_id, Encoding& out) const {
    const AlignedText& text = sequence.pieced.text;
    const auto& bytes = sequence.given.byte_starts;
    for (const Token& token : sequence.tokens) {
      Span at = {text.from[token.begin].start, text.from[token.end - 1].end};
      const auto chars =
          std::u32string_view(text.chars).substr(token.begin, token.end - token.begin);
      if (parts_.post.trim) at = trimmed(at, chars, &token == sequence.tokens.data());
      out.ids.push_back(token.id);
      out.tokens.push_back(token.as_text ? to_utf8(chars) : parts_.vocabulary->piece(token.id));
      out.type_ids.push_back(type_id);
      out.offsets.push_back(at);
      out.byte_offsets.push_back(
          {bytes[static_cast<size_t>(at.start)], bytes[static_cast<size_t>(at.end)]});
      out.words.push_back(token.word);
      out.special.push_back(false);
    }
  }

  Span trimmed(Span at, std::u32string_view token, bool first) const {
    const bool prefixed = parts_.post.trim->prefix_space && (first || at.start == 0);
    return without_spaces(at, token, !prefixed);
  }

  static void append_special(const TemplatePart& part, Encoding& out) {
    for (size_t i = 0; i < part.ids.size(); ++i) {
      out.ids.push_back(part.ids[i]);
      out.tokens.push_back(part.tokens[i]);
      out.type_ids.push_back(part.type_id);
      out.offsets.push_back({});
      out.byte_offsets.push_back({});
      out.words.push_back(-1);
      out.special.push_back(true);
    }
  }

  TokenizerParts parts_;
  AddedTokens added_;
};

}  // namespace

std::shared_ptr<const Tokenizer> make_tokenizer(TokenizerParts parts, std::string_view where) {
  return std::make_shared<Pipeline>(std::move(parts), where);
}

}  // namespace heed
