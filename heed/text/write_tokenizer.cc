#include "heed/text/write_tokenizer.h"

#include <algorithm>
#include <utility>

namespace heed {
namespace {

OrderedJson ids_by_piece(const std::vector<std::string>& pieces) {
  OrderedJson::object_t ids;  // filled at its end: operator[] searches it
  ids.reserve(pieces.size());
  for (size_t id = 0; id < pieces.size(); ++id) ids.emplace_back(pieces[id], id);
  return ids;
}

OrderedJson bpe_model(const LearnedPieces& learned, const std::optional<std::string>& unknown) {
  OrderedJson merges = OrderedJson::array();
  const auto piece = [&](int32_t id) { return learned.pieces[static_cast<size_t>(id)]; };
  for (const auto& [left, right] : learned.merges) {
    merges.push_back(OrderedJson::array({piece(left), piece(right)}));
  }
  return {{"type", "BPE"},
          {"dropout", nullptr},
          {"unk_token", unknown ? OrderedJson(*unknown) : OrderedJson()},
          {"continuing_subword_prefix", nullptr},
          {"end_of_word_suffix", nullptr},
          {"fuse_unk", false},
          {"byte_fallback", false},
          {"ignore_merges", false},
          {"vocab", ids_by_piece(learned.pieces)},
          {"merges", std::move(merges)}};
}

OrderedJson word_piece_model(const LearnedPieces& learned, const std::string& unknown) {
  return {{"type", "WordPiece"},
          {"unk_token", unknown},
          {"continuing_subword_prefix", kContinuingPrefix},
          {"max_input_chars_per_word", 100},
          {"vocab", ids_by_piece(learned.pieces)}};
}

OrderedJson unigram_model(const LearnedPieces& learned, const std::string& unknown) {
  OrderedJson vocab = OrderedJson::array();
  for (size_t id = 0; id < learned.pieces.size(); ++id) {
    vocab.push_back(OrderedJson::array({learned.pieces[id], learned.scores[id]}));
  }
  const auto at = std::find(learned.pieces.begin(), learned.pieces.end(), unknown);
  return {{"type", "Unigram"},
          {"unk_id", at - learned.pieces.begin()},
          {"vocab", std::move(vocab)},
          {"byte_fallback", false}};
}

OrderedJson added_tokens(const std::vector<std::string>& special) {
  OrderedJson out = OrderedJson::array();
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
OrderedJson bert_processing(const std::vector<std::string>& special) {
  const auto item = [&](const std::string& token) -> OrderedJson {
    const auto at = std::find(special.begin(), special.end(), token);
    if (at == special.end()) return nullptr;
    return OrderedJson::array({token, at - special.begin()});
  };
  OrderedJson cls = item("[CLS]");
  OrderedJson sep = item("[SEP]");
  if (cls.is_null() || sep.is_null()) return nullptr;
  return {{"type", "BertProcessing"}, {"sep", std::move(sep)}, {"cls", std::move(cls)}};
}

/// A </s> and A </s> B </s> where </s> is a special token.
OrderedJson t5_template(const std::vector<std::string>& special) {
  const auto at = std::find(special.begin(), special.end(), "</s>");
  if (at == special.end()) return nullptr;
  const auto text = [](const char* id) -> OrderedJson {
    return {{"Sequence", {{"id", id}, {"type_id", 0}}}};
  };
  const OrderedJson end = {{"SpecialToken", {{"id", "</s>"}, {"type_id", 0}}}};
  return {{"type", "TemplateProcessing"},
          {"single", OrderedJson::array({text("A"), end})},
          {"pair", OrderedJson::array({text("A"), end, text("B"), end})},
          {"special_tokens",
           {{"</s>",
             {{"id", "</s>"},
              {"ids", OrderedJson::array({at - special.begin()})},
              {"tokens", OrderedJson::array({"</s>"})}}}}}};
}

OrderedJson post_processor(TokenizerKind kind, const std::vector<std::string>& special) {
  if (kind == TokenizerKind::unigram) return t5_template(special);
  if (kind == TokenizerKind::wordpiece) return bert_processing(special);
  if (kind == TokenizerKind::characters) return nullptr;
  return {{"type", "ByteLevel"},
          {"add_prefix_space", true},
          {"trim_offsets", false},
          {"use_regex", true}};
}

}  // namespace

namespace {

/// Spaces and signs as SentencePiece's nmt_nfkc has them by and large, without its table.
OrderedJson unigram_normalizer(bool lowercase) {
  OrderedJson steps = OrderedJson::array({{{"type", "Nmt"}}, {{"type", "NFKC"}}});
  if (lowercase) steps.push_back({{"type", "Lowercase"}});
  steps.push_back({{"type", "Strip"}, {"strip_left", true}, {"strip_right", true}});
  steps.push_back({{"type", "Replace"}, {"pattern", {{"Regex", " {2,}"}}}, {"content", " "}});
  return {{"type", "Sequence"}, {"normalizers", std::move(steps)}};
}

}  // namespace

OrderedJson trained_parts(const TokenizerTraining& options) {
  OrderedJson parts = {{"normalizer", nullptr}, {"pre_tokenizer", nullptr}};
  if (options.lowercase) parts["normalizer"] = {{"type", "Lowercase"}};
  switch (options.kind) {
    case TokenizerKind::characters:
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
      parts["decoder"] = {{"type", "WordPiece"}, {"prefix", kContinuingPrefix}, {"cleanup", true}};
      break;
    case TokenizerKind::unigram:
      parts["normalizer"] = unigram_normalizer(options.lowercase);
      parts["pre_tokenizer"] = {{"type", "Metaspace"},
                                {"replacement", "\u2581"},
                                {"prepend_scheme", "always"},
                                {"split", true}};
      parts["decoder"] = parts["pre_tokenizer"];
      break;
  }
  return parts;
}

std::string write_tokenizer(const TokenizerTraining& options, const LearnedPieces& learned) {
  const OrderedJson parts = trained_parts(options);
  OrderedJson file = {{"version", "1.0"},
                      {"truncation", nullptr},
                      {"padding", nullptr},
                      {"added_tokens", added_tokens(*options.special)},
                      {"normalizer", parts["normalizer"]},
                      {"pre_tokenizer", parts["pre_tokenizer"]},
                      {"post_processor", post_processor(options.kind, *options.special)},
                      {"decoder", parts["decoder"]}};
  file["model"] = options.kind == TokenizerKind::unigram ? unigram_model(learned, *options.unknown)
                  : options.kind == TokenizerKind::wordpiece
                      ? word_piece_model(learned, *options.unknown)
                      : bpe_model(learned, options.unknown);
  return file.dump(2) + "\n";
}

}  // namespace heed
