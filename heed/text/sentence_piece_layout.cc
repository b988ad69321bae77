// The classes of tokenizers of the `transformers` library that use SentencePiece models: each has
// its own order of ids and its own special tokens.

#include "heed/text/sentence_piece_layout.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/text/vocab_ids.h"

namespace heed {
namespace {

using Layout = SentencePieceLayout;

constexpr std::array<std::string_view, 52> kLanguages = {
    // mBART's 25
    "ar_AR", "cs_CZ", "de_DE", "en_XX", "es_XX", "et_EE", "fi_FI", "fr_XX", "gu_IN", "hi_IN",
    "it_IT", "ja_XX", "kk_KZ", "ko_KR", "lt_LT", "lv_LV", "my_MM", "ne_NP", "nl_XX", "ro_RO",
    "ru_RU", "si_LK", "tr_TR", "vi_VN", "zh_CN",
    // and those that make mBART-50's 52
    "af_ZA", "az_AZ", "bn_IN", "fa_IR", "he_IL", "hr_HR", "id_ID", "ka_GE", "km_KH", "mk_MK",
    "ml_IN", "mn_MN", "mr_IN", "pl_PL", "ps_AF", "pt_XX", "sv_SE", "sw_KE", "ta_IN", "te_IN",
    "th_TH", "tl_XX", "uk_UA", "ur_PK", "xh_ZA", "gl_ES", "sl_SI"};
constexpr size_t kMbartLanguages = 25;
constexpr int32_t kMostExtraIds = 1 << 20;

/// The class that a model_type of config.json has where tokenizer_config.json names none.
std::string_view class_of(std::string_view model_type) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kClasses = {{
      {"t5", "T5Tokenizer"},
      {"mt5", "T5Tokenizer"},
      {"umt5", "T5Tokenizer"},
      {"longt5", "T5Tokenizer"},
      {"xlm-roberta", "XLMRobertaTokenizer"},
      {"camembert", "CamembertTokenizer"},
      {"mbart", "MBartTokenizer"},
      {"pegasus", "PegasusTokenizer"},
      {"albert", "AlbertTokenizer"},
      {"marian", "MarianTokenizer"},
      {"llama", "LlamaTokenizer"},
      {"mistral", "LlamaTokenizer"},
  }};
  const auto* at = std::find_if(kClasses.begin(), kClasses.end(),
                                [&](const auto& pair) { return pair.first == model_type; });
  return at == kClasses.end() ? std::string_view() : at->second;
}

class Arranger {
 public:
  Arranger(const SentencePieceFile& file, const TokenizerConfig& config,
           std::string_view vocab_json, std::string_view where)
      : file_(file), config_(config), vocab_json_(vocab_json), where_(where) {}

  Layout run(std::string_view name) {
    if (name.empty()) return plain();
    if (name == "T5Tokenizer") return t5();
    if (name == "XLMRobertaTokenizer") return xlm_roberta();
    if (name == "CamembertTokenizer") return camembert();
    if (name == "MBartTokenizer") return mbart(kMbartLanguages);
    if (name == "MBart50Tokenizer") return mbart(kLanguages.size());
    if (name == "PegasusTokenizer") return pegasus();
    if (name == "AlbertTokenizer") return albert();
    if (name == "MarianTokenizer") return marian();
    if (name == "LlamaTokenizer") return llama();
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: needed a class of tokenizer that Heed knows for SentencePiece "
                            "models (T5, XLMRoberta, Camembert, MBart, MBart50, Pegasus, Albert, "
                            "Marian, Llama), found {}; give a tokenizer.json",
                            where_, in_quotes(std::string(name))));
  }

 private:
  /// The model's own ids; its control and user-defined pieces are special.
  Layout plain() const {
    Layout layout;
    for (const auto& piece : file_.pieces) add(layout, piece.text);
    layout.unknown = static_cast<int32_t>(file_.unknown);
    for (const auto& piece : file_.pieces) {
      if (piece.type == SentencePieceFile::Type::control) layout.special.push_back(piece.text);
    }
    layout.pad = "<pad>";
    return layout;
  }

  Layout t5() const {
    Layout layout = plain();
    const JsonField json = config_.json();
    const int32_t extra = json.has("extra_ids") ? json["extra_ids"].index() : 100;
    if (extra > kMostExtraIds) json["extra_ids"].fail(fmt::format("at most {}", kMostExtraIds));
    for (int32_t i = extra; i-- > 0;) {
      layout.special.push_back(fmt::format("<extra_id_{}>", i));
      layout.pieces.push_back(layout.special.back());
    }
    finish(layout, {}, {eos()});
    return layout;
  }

  Layout xlm_roberta() const {
    Layout layout = fairseq();
    layout.pieces.push_back(mask("<mask>"));
    layout.mask = layout.pieces.back();
    finish(layout, {bos()}, {eos()});
    layout.between = {eos(), eos()};
    return layout;
  }

  /// <s>, <pad>, </s>, <unk> and the model's pieces but for its first three.
  Layout fairseq() const {
    Layout layout;
    layout.pieces = {bos(), pad(), eos(), unknown()};
    layout.unknown = 3;
    add_from(3, layout);
    return layout;
  }

  Layout camembert() const {
    Layout layout;
    layout.pieces = {"<s>NOTUSED", pad(), "</s>NOTUSED", unknown(), "<unk>NOTUSED"};
    layout.unknown = 3;
    add_from(1, layout);
    layout.pieces.push_back(mask("<mask>"));
    layout.mask = layout.pieces.back();
    finish(layout, {bos()}, {eos()});
    layout.between = {eos(), eos()};
    return layout;
  }

  Layout mbart(size_t languages) const {
    Layout layout = fairseq();
    for (size_t i = 0; i < languages; ++i) {
      layout.special.emplace_back(kLanguages[i]);
      layout.pieces.push_back(layout.special.back());
    }
    layout.pieces.push_back(mask("<mask>"));
    layout.mask = layout.pieces.back();
    const std::string source = config_.token("src_lang", "en_XX");
    if (languages == kMbartLanguages) {
      finish(layout, {}, {eos(), source});
    } else {
      finish(layout, {source}, {eos()});
    }
    layout.joined = true;
    return layout;
  }

  Layout pegasus() const {
    constexpr size_t kOffset = 103;
    Layout layout;
    layout.mask = mask("<mask_2>");
    layout.pieces = {pad(), eos(), config_.token("mask_token_sent", "<mask_1>"), layout.mask};
    for (size_t i = 2; i < kOffset; ++i) layout.pieces.push_back(fmt::format("<unk_{}>", i));
    layout.special = layout.pieces;
    layout.unknown = static_cast<int32_t>(kOffset + file_.unknown);
    add_from(2, layout);
    finish(layout, {}, {eos()});
    layout.joined = true;
    return layout;
  }

  Layout albert() const {
    Layout layout = plain();
    layout.mask = mask("[MASK]");
    finish(layout, {config_.token("cls_token", "[CLS]")}, {config_.token("sep_token", "[SEP]")});
    layout.second_type = true;
    layout.comma_penalty = 100;
    for (const char32_t* quote : {U"``", U"''"}) {
      layout.before.push_back(replace_normalizer(quote, U"\""));
    }
    if (!config_.flag("keep_accents", false)) {
      layout.before.push_back(normal_form_normalizer(NormalForm::nfkd));
      layout.before.push_back(strip_accents_normalizer());
    }
    if (config_.flag("do_lower_case", true)) layout.before.push_back(lowercase_normalizer());
    return layout;
  }

  /// vocab.json gives the ids, which the models of both languages share.
  Layout marian() const {
    if (vocab_json_.empty()) {
      throw Error(ErrorCode::not_found,
                  fmt::format("{}: needed vocab.json beside it, found none", where_));
    }
    if (config_.flag("separate_vocabs", false)) {
      throw Error(
          ErrorCode::unsupported,
          fmt::format("{}: separate_vocabs: needed one vocabulary for both languages", where_));
    }
    const std::string path = fmt::format("{}: vocab.json", where_);
    VocabIds ids(path);
    const Json document = parse_json(vocab_json_, path, ids.members({}));
    JsonField(document, path + ":").object();
    const auto vocabulary = ids.vocabulary();
    Layout layout;
    for (int32_t id = 0; id < vocabulary->size(); ++id) {
      layout.pieces.push_back(vocabulary->piece(id));
      const std::string& piece = layout.pieces.back();
      if (piece.starts_with(">>") && piece.ends_with("<<")) layout.special.push_back(piece);
    }
    layout.unknown = config_.special(*vocabulary, unknown()).id;
    for (const auto& piece : file_.pieces) {
      layout.ids.push_back(vocabulary->find(piece.text).value_or(layout.unknown));
    }
    layout.finds_unknown = true;  // a sign that only the other side has, say
    finish(layout, {}, {eos()});
    layout.joined = true;
    return layout;
  }

  Layout llama() const {
    Layout layout = plain();
    std::vector<std::string> first;
    std::vector<std::string> last;
    if (config_.flag("add_bos_token", true)) first.push_back(bos());
    if (config_.flag("add_eos_token", false)) last.push_back(eos());
    finish(layout, first, last);
    layout.between.insert(layout.between.end(), first.begin(), first.end());
    layout.joined = layout.between.empty();
    layout.second_type = true;
    return layout;
  }

  std::string bos() const { return config_.token("bos_token", "<s>"); }
  std::string eos() const { return config_.token("eos_token", "</s>"); }
  std::string unknown() const { return config_.token("unk_token", "<unk>"); }
  std::string pad() const { return config_.token("pad_token", "<pad>"); }
  std::string mask(std::string_view usual) const { return config_.token("mask_token", usual); }

  static void add(Layout& layout, const std::string& piece) {
    layout.ids.push_back(static_cast<int32_t>(layout.pieces.size()));
    layout.pieces.push_back(piece);
  }
  void add_from(size_t first, Layout& layout) const {
    layout.ids.assign(std::min(first, file_.pieces.size()), -1);
    for (size_t i = first; i < file_.pieces.size(); ++i) add(layout, file_.pieces[i].text);
  }
  void finish(Layout& layout, std::vector<std::string> first, std::vector<std::string> last) const {
    layout.pad = pad();
    layout.special.insert(layout.special.end(), {bos(), eos(), unknown(), layout.pad});
    if (!layout.mask.empty()) layout.special.push_back(layout.mask);
    layout.special.insert(layout.special.end(), first.begin(), first.end());
    layout.special.insert(layout.special.end(), last.begin(), last.end());
    layout.between = last;
    layout.first = std::move(first);
    layout.last = std::move(last);
  }

  const SentencePieceFile& file_;
  const TokenizerConfig& config_;
  std::string_view vocab_json_;
  std::string_view where_;
};

}  // namespace

SentencePieceLayout sentence_piece_layout(const SentencePieceFile& file,
                                          const TokenizerConfig& config,
                                          std::string_view model_type, std::string_view vocab_json,
                                          std::string_view where) {
  const std::string name = config.tokenizer_class(class_of(model_type));
  return Arranger(file, config, vocab_json, where).run(name);
}

}  // namespace heed
