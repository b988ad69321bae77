// vocab.txt, the file of the first BERT checkpoints: a piece a line, its id the line's number. The
// other settings are in tokenizer_config.json or are BERT's.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "heed/base/message.h"
#include "heed/text/json_fields.h"
#include "heed/text/pipeline.h"
#include "heed/text/word_piece.h"

namespace heed {
namespace {

std::vector<std::string> lines_of(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    lines.emplace_back(line);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

void check_kind(const JsonField& config) {
  constexpr std::array<std::string_view, 6> kBertKinds = {
      "BertTokenizer",     "DistilBertTokenizer", "ElectraTokenizer",
      "LayoutLMTokenizer", "MobileBertTokenizer", "ConvBertTokenizer"};
  if (config.has("tokenizer_class")) {
    std::string name = config["tokenizer_class"].string();
    if (name.ends_with("Fast")) name.resize(name.size() - 4);
    if (std::find(kBertKinds.begin(), kBertKinds.end(), name) == kBertKinds.end()) {
      throw Error(ErrorCode::unsupported,
                  fmt::format("{}: needed BertTokenizer or a class that equals it, found {}; give "
                              "a tokenizer.json",
                              config["tokenizer_class"].path(), in_quotes(name)));
    }
  }
  if (config.has("do_basic_tokenize") && !config["do_basic_tokenize"].boolean()) {
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: needed true, found false: words would be cut at spaces only",
                            config["do_basic_tokenize"].path()));
  }
}

std::string token_name(const JsonField& config, std::string_view key, std::string_view fallback) {
  if (!config.has(key)) return std::string(fallback);
  const JsonField field = config[key];
  return field.is_string() ? field.string() : field["content"].string();
}

BertNormalizerOptions read_options(const JsonField& config) {
  BertNormalizerOptions options;
  if (config.has("do_lower_case")) options.lowercase = config["do_lower_case"].boolean();
  if (config.has("strip_accents")) options.strip_accents = config["strip_accents"].boolean();
  if (config.has("tokenize_chinese_chars")) {
    options.handle_chinese_chars = config["tokenize_chinese_chars"].boolean();
  }
  return options;
}

SpecialToken special(const Vocabulary& vocabulary, const std::string& token,
                     std::string_view where) {
  const auto id = vocabulary.find(token);
  if (!id) {
    throw Error(ErrorCode::corrupt_data,
                fmt::format("{}: the vocabulary of {} pieces lacks the special token {}", where,
                            vocabulary.size(), in_quotes(token)));
  }
  return {token, *id};
}

}  // namespace

std::shared_ptr<const Tokenizer> tokenizer_from_vocab(std::string_view vocab,
                                                      std::string_view config_text,
                                                      std::string_view where) {
  const std::string config_path = fmt::format("{}: tokenizer_config.json", where);
  const Json document = config_text.empty() ? Json::object() : parse_json(config_text, config_path);
  const JsonField config(document, config_path + ":");
  check_kind(config);

  TokenizerParts parts;
  parts.vocabulary = std::make_unique<Vocabulary>(lines_of(vocab), where);
  const Vocabulary& vocabulary = *parts.vocabulary;
  WordPieceOptions options;
  options.unknown = token_name(config, "unk_token", "[UNK]");
  parts.model = word_piece(vocabulary, options, where);
  parts.normalizer = bert_normalizer(read_options(config));
  parts.pre_tokenizer = bert_pre_tokenizer();
  const SpecialToken cls = special(vocabulary, token_name(config, "cls_token", "[CLS]"), where);
  const SpecialToken sep = special(vocabulary, token_name(config, "sep_token", "[SEP]"), where);
  parts.post = bert_template(cls, sep);
  parts.decoder = word_piece_decoder(options.continuing_prefix, /*cleanup=*/true);
  parts.pad_token = token_name(config, "pad_token", "[PAD]");
  const std::string mask = token_name(config, "mask_token", "[MASK]");
  for (const auto& token : {options.unknown, cls.token, sep.token, parts.pad_token, mask}) {
    const auto id = vocabulary.find(token);
    const bool known = std::any_of(parts.added_tokens.begin(), parts.added_tokens.end(),
                                   [&](const AddedToken& added) { return added.id == id; });
    if (id && !known) parts.added_tokens.push_back({.id = *id, .content = token, .special = true});
  }
  return make_tokenizer(std::move(parts), where);
}

}  // namespace heed
