// The parts of a tokenizer.json beside its model.

#include "heed/text/tokenizer_json_parts.h"

#include <fmt/format.h>

#include <array>
#include <utility>

#include "heed/base/base64.h"
#include "heed/text/byte_level.h"
#include "heed/text/unicode.h"

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
  const std::u32string content = chars_of(json["content"]);
  if (!pattern.has("String")) {
    const JsonField regex = pattern["Regex"];
    return replace_normalizer(Regex(chars_of(regex), regex.path()), content);
  }
  if (pattern["String"].string().empty()) pattern["String"].fail("a string that is not empty");
  return replace_normalizer(chars_of(pattern["String"]), content);
}

NormalizerPtr read_precompiled(const JsonField& json) {
  const JsonField field = json["precompiled_charsmap"];
  return precompiled_normalizer(CharsMap(from_base64(field.string(), field.path()), field.path()));
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

PreTokenizerPtr read_split(const JsonField& json) {
  const JsonField pattern = json["pattern"];
  const bool literal = pattern.has("String");
  const JsonField field = pattern[literal ? "String" : "Regex"];
  const std::u32string text = chars_of(field);
  return split_pre_tokenizer(Regex(literal ? Regex::quoted(text) : text, field.path()),
                             read_behavior(json["behavior"]),
                             json.has("invert") && json["invert"].boolean());
}

PreTokenizerPtr read_byte_level(const JsonField& json) {
  return byte_level_pre_tokenizer(
      {.add_prefix_space = json["add_prefix_space"].boolean(),
       .use_regex = !json.has("use_regex") || json["use_regex"].boolean()});
}

PreTokenizerPtr read_digits(const JsonField& json) {
  const bool single = json["individual_digits"].boolean();
  return split_pre_tokenizer(Regex(U"\\p{N}", json.path()),
                             single ? SplitBehavior::isolated : SplitBehavior::contiguous,
                             /*invert=*/false);
}

/// A setting of one character.
char32_t read_char(const JsonField& json) {
  const std::u32string chars = chars_of(json);
  if (chars.size() != 1) json.fail("one character");
  return chars[0];
}

/// Whether a space stands in front; files from before 2024 say so with add_prefix_space.
MetaspaceOptions::Prepend read_prepend(const JsonField& json) {
  using Prepend = MetaspaceOptions::Prepend;
  if (!json.has("prepend_scheme")) {
    const bool adds = !json.has("add_prefix_space") || json["add_prefix_space"].boolean();
    return adds ? Prepend::always : Prepend::never;
  }
  const std::string scheme = json["prepend_scheme"].string();
  if (scheme == "always") return Prepend::always;
  if (scheme == "first") return Prepend::first;
  if (scheme != "never") json["prepend_scheme"].fail("always, first or never");
  return Prepend::never;
}

PreTokenizerPtr read_metaspace(const JsonField& json) {
  return metaspace_pre_tokenizer({.replacement = read_char(json["replacement"]),
                                  .prepend = read_prepend(json),
                                  .split = !json.has("split") || json["split"].boolean()});
}

PreTokenizerPtr read_char_delimiter(const JsonField& json) {
  const char32_t delimiter = read_char(json["delimiter"]);
  return split_pre_tokenizer(Regex(Regex::quoted({&delimiter, 1}), json.path()),
                             SplitBehavior::removed, /*invert=*/false);
}

PreTokenizerPtr read_fixed_length(const JsonField& json) {
  const int32_t length = json.has("length") ? json["length"].index() : 5;
  if (length == 0) json["length"].fail("a length of 1 or more");
  return fixed_length_pre_tokenizer(static_cast<uint32_t>(length));
}

/// A string that stands for something and so must not be empty.
std::string some_text(const JsonField& field) {
  std::string text = field.string();
  if (text.empty()) field.fail("a string that is not empty");
  return text;
}

DecoderPtr read_replace_decoder(const JsonField& json) {
  const JsonField pattern = json["pattern"];
  const std::string content = json["content"].string();
  if (pattern.has("String")) return replace_decoder(some_text(pattern["String"]), content);
  const JsonField regex = pattern["Regex"];
  return replace_decoder(Regex(chars_of(regex), regex.path()), content);
}

DecoderPtr read_ctc(const JsonField& json) {
  return ctc_decoder({.pad = some_text(json["pad_token"]),
                      .word_delimiter = some_text(json["word_delimiter_token"]),
                      .cleanup = json["cleanup"].boolean()});
}

std::optional<TrimOffsets> read_trim(const JsonField& json) {
  const auto set = [&](const char* name) { return !json.has(name) || json[name].boolean(); };
  if (!set("trim_offsets")) return std::nullopt;
  return TrimOffsets{.prefix_space = set("add_prefix_space")};
}

Template read_bert_or_roberta(const JsonField& json) {
  const SpecialToken cls = read_token_and_id(json["cls"]);
  const SpecialToken sep = read_token_and_id(json["sep"]);
  if (json.type() == "BertProcessing") return bert_template(cls, sep);
  Template out = roberta_template(cls, sep);
  out.trim = read_trim(json);
  return out;
}

Template read_template_processing(const JsonField& json) {
  const JsonField special = json["special_tokens"];
  return {.single = read_template(json["single"], 1, special),
          .pair = read_template(json["pair"], 2, special)};
}

}  // namespace

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
  if (type == "Nmt") return nmt_normalizer();
  if (type == "ByteLevel") return byte_level_normalizer();
  if (type == "Precompiled") return read_precompiled(json);
  if (type == "Prepend") return prepend_normalizer(chars_of(json["prepend"]));
  if (type == "Sequence") {
    std::vector<NormalizerPtr> steps;
    for (const JsonField& step : json["normalizers"].items()) {
      steps.push_back(read_normalizer(step));
    }
    return sequence_normalizer(std::move(steps));
  }
  json.unsupported("the normalizer",
                   "BertNormalizer, ByteLevel, Lowercase, NFC, NFD, NFKC, NFKD, Nmt, Precompiled, "
                   "Prepend, Replace, Sequence, Strip and StripAccents");
}

PreTokenizerPtr read_pre_tokenizer(const JsonField& json) {
  const std::string type = json.type();
  if (type == "BertPreTokenizer") return bert_pre_tokenizer();
  if (type == "Whitespace") return whitespace_pre_tokenizer();
  if (type == "WhitespaceSplit") return whitespace_split_pre_tokenizer();
  if (type == "UnicodeScripts") return unicode_scripts_pre_tokenizer();
  if (type == "Punctuation") {
    return punctuation_pre_tokenizer(json.has("behavior") ? read_behavior(json["behavior"])
                                                          : SplitBehavior::isolated);
  }
  if (type == "Split") return read_split(json);
  if (type == "ByteLevel") return read_byte_level(json);
  if (type == "Digits") return read_digits(json);
  if (type == "Metaspace") return read_metaspace(json);
  if (type == "CharDelimiterSplit") return read_char_delimiter(json);
  if (type == "FixedLength") return read_fixed_length(json);
  if (type == "Sequence") {
    std::vector<PreTokenizerPtr> steps;
    for (const JsonField& step : json["pretokenizers"].items()) {
      steps.push_back(read_pre_tokenizer(step));
    }
    return sequence_pre_tokenizer(std::move(steps));
  }
  json.unsupported(
      "the pre_tokenizer",
      "BertPreTokenizer, ByteLevel, CharDelimiterSplit, Digits, FixedLength, Metaspace, "
      "Punctuation, Sequence, Split, UnicodeScripts, Whitespace and WhitespaceSplit");
}

Template read_post_processor(const JsonField& json) {
  const std::string type = json.type();
  if (type == "BertProcessing" || type == "RobertaProcessing") return read_bert_or_roberta(json);
  if (type == "TemplateProcessing") return read_template_processing(json);
  if (type == "ByteLevel") {
    Template out = plain_template();
    out.trim = read_trim(json);
    return out;
  }
  if (type == "Sequence") {
    Template out = plain_template();
    for (const JsonField& step : json["processors"].items()) {
      Template next = read_post_processor(step);
      // offsets are trimmed before special tokens come, which have none
      if (next.trim) out.trim = next.trim;
      if (step.type() != "ByteLevel") {
        out.single = std::move(next.single);
        out.pair = std::move(next.pair);
      }
    }
    return out;
  }
  json.unsupported("the post_processor",
                   "BertProcessing, ByteLevel, RobertaProcessing, Sequence and TemplateProcessing");
}

DecoderPtr read_decoder(const JsonField& json) {
  const std::string type = json.type();
  if (type == "ByteLevel") return byte_level_decoder();
  if (type == "Fuse") return fuse_decoder();
  if (type == "WordPiece") {
    return word_piece_decoder(json["prefix"].string(), json["cleanup"].boolean());
  }
  if (type == "Replace") return read_replace_decoder(json);
  if (type == "BPEDecoder") return bpe_decoder(some_text(json["suffix"]));
  if (type == "CTC") return read_ctc(json);
  if (type == "ByteFallback") return byte_fallback_decoder();
  if (type == "Strip") {
    std::string content;
    append_utf8(content, read_char(json["content"]));
    return strip_decoder(content, json["start"].index(), json["stop"].index());
  }
  if (type == "Metaspace") {
    std::string replacement;
    append_utf8(replacement, read_char(json["replacement"]));
    return metaspace_decoder(replacement, read_prepend(json) != MetaspaceOptions::Prepend::never);
  }
  if (type == "Sequence") {
    std::vector<DecoderPtr> steps;
    for (const JsonField& step : json["decoders"].items()) steps.push_back(read_decoder(step));
    return sequence_decoder(std::move(steps));
  }
  json.unsupported(
      "the decoder",
      "BPEDecoder, ByteFallback, ByteLevel, CTC, Fuse, Metaspace, Replace, Sequence, Strip "
      "and WordPiece");
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

}  // namespace heed
