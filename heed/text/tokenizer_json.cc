// tokenizer.json, the file of the `tokenizers` library: which parts a tokenizer has and how they
// are set. What it stores under truncation and padding belongs to a run and is left out.

#include <fmt/format.h>

#include <array>
#include <limits>
#include <utility>

#include "heed/base/message.h"
#include "heed/text/json_fields.h"
#include "heed/text/pipeline.h"
#include "heed/text/unicode.h"
#include "heed/text/word_piece.h"

namespace heed {
namespace {

std::u32string chars_of(const JsonField& field) { return decode_utf8(field.string()).chars; }

NormalizerPtr read_bert_normalizer(const JsonField& json) {
  BertNormalizerOptions options;
  options.clean_text = json["clean_text"].boolean();
  options.handle_chinese_chars = json["handle_chinese_chars"].boolean();
  options.lowercase = json["lowercase"].boolean();
  if (json.has("strip_accents")) options.strip_accents = json["strip_accents"].boolean();
  return bert_normalizer(options);
}

NormalizerPtr read_replace(const JsonField& json) {
  const JsonField pattern = json["pattern"];
  if (!pattern.has("String")) {
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: needed a String, which is what Heed replaces; it does not replace "
                            "by regular expressions",
                            pattern.path()));
  }
  if (pattern["String"].string().empty()) pattern["String"].fail("a string that is not empty");
  return replace_normalizer(chars_of(pattern["String"]), chars_of(json["content"]));
}

NormalizerPtr read_normalizer(const JsonField& json) {
  const std::string type = json.type();
  if (type == "BertNormalizer") return read_bert_normalizer(json);
  if (type == "Lowercase") return lowercase_normalizer();
  if (type == "NFC") return normal_form_normalizer(NormalForm::nfc);
  if (type == "NFD") return normal_form_normalizer(NormalForm::nfd);
  if (type == "NFKC") return normal_form_normalizer(NormalForm::nfkc);
  if (type == "NFKD") return normal_form_normalizer(NormalForm::nfkd);
  if (type == "StripAccents") return strip_accents_normalizer();
  if (type == "Strip") {
    return strip_normalizer(json["strip_left"].boolean(), json["strip_right"].boolean());
  }
  if (type == "Replace") return read_replace(json);
  if (type == "Prepend") return prepend_normalizer(chars_of(json["prepend"]));
  if (type == "Sequence") {
    std::vector<NormalizerPtr> steps;
    for (const JsonField& step : json["normalizers"].items()) {
      steps.push_back(read_normalizer(step));
    }
    return sequence_normalizer(std::move(steps));
  }
  json.unsupported("the normalizer",
                   "BertNormalizer, Lowercase, NFC, NFD, NFKC, NFKD, Prepend, Replace, Sequence, "
                   "Strip and StripAccents");
}

SplitBehavior read_behavior(const JsonField& json) {
  constexpr std::array<std::pair<std::string_view, SplitBehavior>, 5> kNames = {{
      {"Removed", SplitBehavior::removed},
      {"Isolated", SplitBehavior::isolated},
      {"MergedWithPrevious", SplitBehavior::merged_with_previous},
      {"MergedWithNext", SplitBehavior::merged_with_next},
      {"Contiguous", SplitBehavior::contiguous},
  }};
  const std::string name = json.string();
  for (const auto& [known, behavior] : kNames) {
    if (name == known) return behavior;
  }
  json.fail("Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
}

PreTokenizerPtr read_pre_tokenizer(const JsonField& json) {
  const std::string type = json.type();
  if (type == "BertPreTokenizer") return bert_pre_tokenizer();
  if (type == "Whitespace") return whitespace_pre_tokenizer();
  if (type == "WhitespaceSplit") return whitespace_split_pre_tokenizer();
  if (type == "Punctuation") {
    return punctuation_pre_tokenizer(json.has("behavior") ? read_behavior(json["behavior"])
                                                          : SplitBehavior::isolated);
  }
  if (type == "Sequence") {
    std::vector<PreTokenizerPtr> steps;
    for (const JsonField& step : json["pretokenizers"].items()) {
      steps.push_back(read_pre_tokenizer(step));
    }
    return sequence_pre_tokenizer(std::move(steps));
  }
  json.unsupported("the pre_tokenizer",
                   "BertPreTokenizer, Punctuation, Sequence, Whitespace and WhitespaceSplit");
}

TemplatePart read_special(const JsonField& json, const JsonField& special_tokens) {
  TemplatePart part;
  part.type_id = json["type_id"].index();
  const JsonField token = special_tokens[json["id"].string()];
  for (const JsonField& id : token["ids"].items()) part.ids.push_back(id.index());
  for (const JsonField& text : token["tokens"].items()) part.tokens.push_back(text.string());
  if (part.ids.size() != part.tokens.size()) {
    token["tokens"].fail(fmt::format("as many tokens as ids ({})", part.ids.size()));
  }
  return part;
}

std::vector<TemplatePart> read_template(const JsonField& json, int texts,
                                        const JsonField& special_tokens) {
  std::vector<TemplatePart> parts;
  for (const JsonField& item : json.items()) {
    if (item.has("SpecialToken")) {
      parts.push_back(read_special(item["SpecialToken"], special_tokens));
      continue;
    }
    const JsonField sequence = item["Sequence"];
    const std::string name = sequence["id"].string();
    const int index = name == "A" ? 0 : name == "B" ? 1 : texts;
    if (index >= texts) sequence["id"].fail(texts == 1 ? "\"A\"" : "\"A\" or \"B\"");
    parts.push_back({.sequence = index, .type_id = sequence["type_id"].index()});
  }
  return parts;
}

SpecialToken read_token_and_id(const JsonField& json) {
  const auto items = json.items();
  if (items.size() != 2) json.fail("a list of token and id");
  return {items[0].string(), items[1].index()};
}

Template read_post_processor(const JsonField& json) {
  const std::string type = json.type();
  if (type == "BertProcessing") {
    return bert_template(read_token_and_id(json["cls"]), read_token_and_id(json["sep"]));
  }
  if (type != "TemplateProcessing") {
    json.unsupported("the post_processor", "BertProcessing and TemplateProcessing");
  }
  const JsonField special = json["special_tokens"];
  return {.single = read_template(json["single"], 1, special),
          .pair = read_template(json["pair"], 2, special)};
}

DecoderPtr read_decoder(const JsonField& json) {
  if (json.type() != "WordPiece") json.unsupported("the decoder", "WordPiece");
  return word_piece_decoder(json["prefix"].string(), json["cleanup"].boolean());
}

std::vector<AddedToken> read_added_tokens(const JsonField& json) {
  std::vector<AddedToken> out;
  for (const JsonField& item : json.items()) {
    out.push_back({.id = item["id"].index(),
                   .content = item["content"].string(),
                   .single_word = item["single_word"].boolean(),
                   .lstrip = item["lstrip"].boolean(),
                   .rstrip = item["rstrip"].boolean(),
                   .normalized = item["normalized"].boolean(),
                   .special = item["special"].boolean()});
  }
  return out;
}

/// model.vocab's members in the order of the file.
using PieceIds = std::vector<std::pair<std::string, int32_t>>;

constexpr size_t kMostPieces = std::numeric_limits<int32_t>::max();

[[noreturn]] void fail_id(const std::string& vocab, const std::string& piece, const Json& id,
                          const std::string& needed) {
  JsonField(id, fmt::format("{}: the id of {}", vocab, in_quotes(piece))).fail(needed);
}

std::unique_ptr<const Vocabulary> make_vocabulary(PieceIds ids, const std::string& path) {
  std::vector<std::string> pieces(ids.size());
  std::vector<bool> taken(ids.size());
  for (auto& [piece, id] : ids) {
    const auto at = static_cast<size_t>(id);
    if (at >= pieces.size()) {
      fail_id(path, piece, id,
              fmt::format("an id below {}, the number of pieces (ids must be without holes)",
                          pieces.size()));
    }
    if (taken[at]) {
      fail_id(path, piece, id,
              fmt::format("an id of its own (ids must be unique); {} has it too",
                          in_quotes(pieces[at])));
    }
    taken[at] = true;
    pieces[at] = std::move(piece);
  }
  return std::make_unique<Vocabulary>(std::move(pieces), path);
}

void read_word_piece(const JsonField& json, PieceIds ids, TokenizerParts& parts) {
  json["vocab"].object();
  parts.vocabulary = make_vocabulary(std::move(ids), json["vocab"].path());
  WordPieceOptions options;
  options.unknown = json["unk_token"].string();
  options.continuing_prefix = json["continuing_subword_prefix"].string();
  options.max_chars_per_word = json["max_input_chars_per_word"].index();
  parts.model = word_piece(*parts.vocabulary, options, json.path());
}

void read_model(const JsonField& json, PieceIds ids, TokenizerParts& parts) {
  // files from before 2020 have no type
  const bool untyped = !json.has("type") && json.has("max_input_chars_per_word");
  if (!untyped && json.type() != "WordPiece") json.unsupported("the model", "WordPiece");
  read_word_piece(json, std::move(ids), parts);
}

}  // namespace

std::shared_ptr<const Tokenizer> tokenizer_from_json(std::string_view text,
                                                     std::string_view where) {
  PieceIds ids;
  const auto take = [&](const std::string& piece, const Json& id) {
    if (!id.is_number_unsigned() || id.get<uint64_t>() > kMostPieces) {
      fail_id(fmt::format("{}: model.vocab", where), piece, id, "a whole number, from 0 on");
    }
    ids.emplace_back(piece, id.get<int32_t>());
  };
  const Json document = parse_json(text, where, {.path = {"model", "vocab"}, .take = take});
  const JsonField json(document, fmt::format("{}:", where));
  if (json.has("version") && json["version"].string() != "1.0") {
    throw Error(ErrorCode::unsupported,
                fmt::format("{} needed \"1.0\", found {}", json["version"].path(),
                            in_quotes(json["version"].string())));
  }
  TokenizerParts parts;
  read_model(json["model"], std::move(ids), parts);
  if (json.has("added_tokens")) parts.added_tokens = read_added_tokens(json["added_tokens"]);
  if (json.has("normalizer")) parts.normalizer = read_normalizer(json["normalizer"]);
  if (json.has("pre_tokenizer")) parts.pre_tokenizer = read_pre_tokenizer(json["pre_tokenizer"]);
  if (json.has("post_processor")) parts.post = read_post_processor(json["post_processor"]);
  if (json.has("decoder")) parts.decoder = read_decoder(json["decoder"]);
  return make_tokenizer(std::move(parts), where);
}

}  // namespace heed
