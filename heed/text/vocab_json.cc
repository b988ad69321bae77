// vocab.json and merges.txt, the files of the first GPT-2 and RoBERTa checkpoints: ids by piece,
// and a merge a line. The other settings are in tokenizer_config.json or are those models' own.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "heed/base/message.h"
#include "heed/text/bpe.h"
#include "heed/text/byte_level.h"
#include "heed/text/pipeline.h"
#include "heed/text/tokenizer_config.h"
#include "heed/text/vocab_ids.h"

namespace heed {
namespace {

constexpr std::string_view kEndOfText = "<|endoftext|>";

bool is_roberta(const TokenizerConfig& config) {
  constexpr std::array<std::string_view, 3> kRoberta = {"RobertaTokenizer", "BartTokenizer",
                                                        "LongformerTokenizer"};
  const std::string name = config.tokenizer_class("GPT2Tokenizer");
  if (std::find(kRoberta.begin(), kRoberta.end(), name) != kRoberta.end()) return true;
  if (name != "GPT2Tokenizer") config.refuse_class("GPT2Tokenizer, RobertaTokenizer");
  return false;
}

std::vector<std::pair<std::string, std::string>> read_merges(std::string_view text,
                                                             std::string_view where) {
  std::vector<std::pair<std::string, std::string>> merges;
  size_t line_number = 0;
  for (const std::string& line : lines_of(text)) {
    ++line_number;
    if (line.starts_with("#version")) continue;
    const size_t space = line.find(' ');
    if (space == std::string::npos || line.find(' ', space + 1) != std::string::npos) {
      throw Error(ErrorCode::corrupt_data,
                  fmt::format("{}/merges.txt: line {}: needed two pieces with one space between "
                              "them, found {}",
                              where, line_number, in_quotes(line)));
    }
    merges.emplace_back(line.substr(0, space), line.substr(space + 1));
  }
  return merges;
}

}  // namespace

std::shared_ptr<const Tokenizer> tokenizer_from_merges(const MergesFiles& files,
                                                       std::string_view where) {
  const TokenizerConfig config(files.settings, fmt::format("{}/", where));
  const bool roberta = is_roberta(config);
  const std::string vocab_path = fmt::format("{}/vocab.json", where);
  VocabIds ids(vocab_path);
  const Json document = parse_json(files.vocab, vocab_path, ids.members({}));
  JsonField(document, vocab_path + ":").object();

  TokenizerParts parts;
  parts.vocabulary = ids.vocabulary();
  const Vocabulary& vocabulary = *parts.vocabulary;
  parts.model = bpe(vocabulary, {.merges = read_merges(files.merges, where)}, where);
  const bool prefix_space = config.flag("add_prefix_space", false);
  parts.pre_tokenizer = byte_level_pre_tokenizer({.add_prefix_space = prefix_space});
  parts.decoder = byte_level_decoder();
  const auto token = [&](std::string_view key, std::string_view of_roberta) {
    return config.token(key, roberta ? of_roberta : kEndOfText);
  };
  const std::string pad = config.token("pad_token", roberta ? "<pad>" : "");
  parts.pad_tokens = {pad};
  const std::string mask = config.token("mask_token", roberta ? "<mask>" : "");
  const std::string cls = token("cls_token", "<s>");
  const std::string sep = token("sep_token", "</s>");
  if (roberta) {
    const SpecialToken first = config.special(vocabulary, cls);
    parts.post = roberta_template(first, config.special(vocabulary, sep));
    parts.post.trim = TrimOffsets{.prefix_space = prefix_space};
  }
  parts.added_tokens =
      config.added_tokens(vocabulary,
                          {cls, sep, token("bos_token", "<s>"), token("eos_token", "</s>"),
                           token("unk_token", "<unk>"), pad, mask},
                          mask);
  return make_tokenizer(std::move(parts), where);
}

}  // namespace heed
