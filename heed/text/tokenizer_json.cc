// tokenizer.json, the file of the `tokenizers` library: which parts a tokenizer has and how they
// are set. What it stores under truncation and padding belongs to a run and is left out, as is the
// model's dropout, which belongs to training.

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "heed/base/message.h"
#include "heed/text/bpe.h"
#include "heed/text/json_fields.h"
#include "heed/text/pipeline.h"
#include "heed/text/tokenizer_json_parts.h"
#include "heed/text/unigram.h"
#include "heed/text/vocab_ids.h"
#include "heed/text/word_level.h"
#include "heed/text/word_piece.h"

namespace heed {
namespace {

std::unique_ptr<const Model> read_word_piece(const JsonField& json, const Vocabulary& vocabulary) {
  WordPieceOptions options;
  options.unknown = json["unk_token"].string();
  options.continuing_prefix = json["continuing_subword_prefix"].string();
  options.max_chars_per_word = json["max_input_chars_per_word"].index();
  return word_piece(vocabulary, options, json.path());
}

/// ["a", "b"], or "a b" in files from before 2024.
std::pair<std::string, std::string> read_merge(const JsonField& json) {
  if (!json.is_string()) {
    const auto items = json.items();
    if (items.size() != 2) json.fail("two pieces");
    return {items[0].string(), items[1].string()};
  }
  const std::string text = json.string();
  const size_t space = text.find(' ');
  if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) {
    json.fail("two pieces with one space between them");
  }
  return {text.substr(0, space), text.substr(space + 1)};
}

std::unique_ptr<const Model> read_bpe(const JsonField& json, const Vocabulary& vocabulary) {
  BpeOptions options;
  const auto set = [&](const char* name) { return json.has(name) && json[name].boolean(); };
  const auto text = [&](const char* name) {
    return json.has(name) ? json[name].string() : std::string();
  };
  for (const JsonField& merge : json["merges"].items()) options.merges.push_back(read_merge(merge));
  if (json.has("unk_token")) options.unknown = json["unk_token"].string();
  options.fuse_unknown = set("fuse_unk");
  options.continuing_prefix = text("continuing_subword_prefix");
  options.word_suffix = text("end_of_word_suffix");
  options.byte_fallback = set("byte_fallback");
  options.ignore_merges = set("ignore_merges");
  return bpe(vocabulary, options, json.path());
}

/// Pieces with their scores, in order of their ids.
std::pair<std::vector<std::string>, std::vector<double>> read_scores(const JsonField& json) {
  const Json& list = json.list();
  std::vector<std::string> pieces;
  std::vector<double> scores;
  pieces.reserve(list.size());
  scores.reserve(list.size());
  for (const Json& item : list) {
    if (!item.is_array() || item.size() != 2 || !item[0].is_string() || !item[1].is_number()) {
      JsonField(item, fmt::format("{}[{}]", json.path(), pieces.size()))
          .fail("a list of piece and score");
    }
    pieces.push_back(item[0].get<std::string>());
    scores.push_back(item[1].get<double>());
  }
  return {std::move(pieces), std::move(scores)};
}

void read_unigram(const JsonField& json, TokenizerParts& parts) {
  auto [pieces, scores] = read_scores(json["vocab"]);
  UnigramOptions options;
  if (json.has("unk_id")) options.unknown_id = json["unk_id"].index();
  if (options.unknown_id >= static_cast<int64_t>(pieces.size())) {
    json["unk_id"].fail(fmt::format("an id below {}, the number of pieces", pieces.size()));
  }
  for (size_t i = 0; i < pieces.size(); ++i) {
    const auto id = static_cast<int32_t>(i);
    options.pieces.push_back(
        {pieces[i], scores[i], id == options.unknown_id ? UnigramPiece::kUnknown : id});
  }
  if (!scores.empty()) {
    options.unknown_score = *std::min_element(scores.begin(), scores.end()) - kUnknownPenalty;
  }
  parts.vocabulary = std::make_unique<Vocabulary>(std::move(pieces), json["vocab"].path());
  if (json.has("byte_fallback") && json["byte_fallback"].boolean()) {
    options.bytes = byte_ids(*parts.vocabulary);
  }
  parts.model = unigram(options, json.path());
}

/// The kind of a model; files from before 2020 do not say it.
std::string kind_of(const JsonField& json) {
  if (json.has("type")) return json.type();
  if (json.has("merges")) return "BPE";
  if (json.has("max_input_chars_per_word")) return "WordPiece";
  return json["vocab"].is_list() ? "Unigram" : "WordLevel";
}

void read_model(const JsonField& json, VocabIds& ids, TokenizerParts& parts) {
  const std::string kind = kind_of(json);
  if (kind == "Unigram") return read_unigram(json, parts);
  if (kind != "WordPiece" && kind != "BPE" && kind != "WordLevel") {
    json.unsupported("the model", "BPE, Unigram, WordLevel and WordPiece");
  }
  json["vocab"].object();
  parts.vocabulary = ids.vocabulary();
  if (kind == "BPE") {
    parts.model = read_bpe(json, *parts.vocabulary);
  } else if (kind == "WordPiece") {
    parts.model = read_word_piece(json, *parts.vocabulary);
  } else {
    parts.model = word_level(*parts.vocabulary, json["unk_token"].string());
  }
}

}  // namespace

void read_around_model(const JsonField& json, TokenizerParts& parts) {
  if (json.has("added_tokens")) parts.added_tokens = read_added_tokens(json["added_tokens"]);
  if (json.has("normalizer")) parts.normalizer = read_normalizer(json["normalizer"]);
  if (json.has("pre_tokenizer")) parts.pre_tokenizer = read_pre_tokenizer(json["pre_tokenizer"]);
  if (json.has("post_processor")) parts.post = read_post_processor(json["post_processor"]);
  if (json.has("decoder")) parts.decoder = read_decoder(json["decoder"]);
}

std::shared_ptr<const Tokenizer> tokenizer_from_json(std::string_view text,
                                                     std::string_view where) {
  VocabIds ids(fmt::format("{}: model.vocab", where));
  const Json document = parse_json(text, where, ids.members({"model", "vocab"}));
  const JsonField json(document, fmt::format("{}:", where));
  if (json.has("version") && json["version"].string() != "1.0") {
    throw Error(ErrorCode::unsupported,
                fmt::format("{} needed \"1.0\", found {}", json["version"].path(),
                            in_quotes(json["version"].string())));
  }
  TokenizerParts parts;
  read_model(json["model"], ids, parts);
  read_around_model(json, parts);
  return make_tokenizer(std::move(parts), where);
}

}  // namespace heed
