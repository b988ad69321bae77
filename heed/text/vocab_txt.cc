// vocab.txt, the file of the first BERT checkpoints: a piece a line, its id the line's number. The
// other settings are in tokenizer_config.json or are BERT's.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "heed/text/pipeline.h"
#include "heed/text/tokenizer_config.h"
#include "heed/text/word_piece.h"

namespace heed {
namespace {

void check_kind(const TokenizerConfig& config) {
  constexpr std::array<std::string_view, 6> kBertKinds = {
      "BertTokenizer",     "DistilBertTokenizer", "ElectraTokenizer",
      "LayoutLMTokenizer", "MobileBertTokenizer", "ConvBertTokenizer"};
  const std::string name = config.tokenizer_class("BertTokenizer");
  if (std::find(kBertKinds.begin(), kBertKinds.end(), name) == kBertKinds.end()) {
    config.refuse_class("BertTokenizer");
  }
  if (!config.flag("do_basic_tokenize", true)) {
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: needed true, found false: words would be cut at spaces only",
                            config.json()["do_basic_tokenize"].path()));
  }
}

BertNormalizerOptions read_options(const TokenizerConfig& config) {
  BertNormalizerOptions options;
  options.lowercase = config.flag("do_lower_case", options.lowercase);
  if (config.json().has("strip_accents")) {
    options.strip_accents = config.flag("strip_accents", false);
  }
  options.handle_chinese_chars =
      config.flag("tokenize_chinese_chars", options.handle_chinese_chars);
  return options;
}

}  // namespace

std::shared_ptr<const Tokenizer> tokenizer_from_vocab(std::string_view vocab,
                                                      const TokenizerSettings& settings,
                                                      std::string_view where) {
  const TokenizerConfig config(settings, fmt::format("{}: ", where));
  check_kind(config);

  TokenizerParts parts;
  parts.vocabulary = std::make_unique<Vocabulary>(lines_of(vocab), where);
  const Vocabulary& vocabulary = *parts.vocabulary;
  WordPieceOptions options;
  options.unknown = config.token("unk_token", "[UNK]");
  parts.model = word_piece(vocabulary, options, where);
  parts.normalizer = bert_normalizer(read_options(config));
  parts.pre_tokenizer = bert_pre_tokenizer();
  const SpecialToken cls = config.special(vocabulary, config.token("cls_token", "[CLS]"));
  const SpecialToken sep = config.special(vocabulary, config.token("sep_token", "[SEP]"));
  parts.post = bert_template(cls, sep);
  parts.decoder = word_piece_decoder(options.continuing_prefix, /*cleanup=*/true);
  const std::string pad = config.token("pad_token", "[PAD]");
  parts.pad_tokens = {pad};
  const std::string mask = config.token("mask_token", "[MASK]");
  parts.added_tokens =
      config.added_tokens(vocabulary, {options.unknown, cls.token, sep.token, pad, mask});
  return make_tokenizer(std::move(parts), where);
}

}  // namespace heed
