// GGUF keeps a tokenizer as lists of pieces and merges and the names of what surrounds them; here
// the names become what a tokenizer.json spells out. The lists are read as they are.

#include "heed/text/gguf_tokenizer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/text/bpe.h"
#include "heed/text/json_fields.h"
#include "heed/text/pipeline.h"
#include "heed/text/score_merges.h"
#include "heed/text/tokenizer_json_parts.h"
#include "heed/text/vocabulary.h"

namespace heed {
namespace {

using OrderedJson = nlohmann::ordered_json;

/// tokenizer.ggml.token_type.
enum class TokenType : int64_t { normal = 1, unknown, control, user_defined, unused, byte };

/// Words as GPT-2 cuts them: what ByteLevel does by itself.
constexpr std::string_view kGpt2Words = "gpt-2";
/// The same after every digit is cut off.
constexpr std::string_view kDigitsApart = "smollm";

struct KnownWords {
  std::string_view name;  // the usual one
  /// Of tokenizer.json's Splits, one after the other; none for the two above.
  std::array<std::string_view, 5> regexes = {};
  bool ignore_merges = false;
  bool begins = false;  // texts begin with the begin token where the file does not say
};

// The regular expressions of the models' own tokenizer.json.
constexpr std::string_view kGpt2Regex =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";
constexpr std::string_view kLlama3Regex =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| )"
    R"(?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2Regex =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| )"
    R"(?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen35Regex =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| )"
    R"(?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kTekkenRegex =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|)"
    R"(\p{N}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kGpt4oRegex =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*)"
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)?|)"
    R"(\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kDeepSeek3Regex =
    R"re([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|)re"
    R"([^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|)"
    R"(\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kThreeDigits = "[0-9][0-9][0-9]";

constexpr std::array kKnownWords = {
    KnownWords{kGpt2Words},
    KnownWords{kDigitsApart},
    KnownWords{"llama-bpe", {kLlama3Regex}, true, true},
    KnownWords{"qwen2", {kQwen2Regex}},
    KnownWords{"default", {R"([\p{P}\$\+<=>\^~\|]+)", kGpt2Regex, R"(\p{N}+)", kThreeDigits}},
    KnownWords{"dbrx", {kLlama3Regex}},
    KnownWords{"qwen35", {kQwen35Regex}},
    KnownWords{"tekken", {kTekkenRegex}, true, true},
    KnownWords{"gpt-4o", {kGpt4oRegex}},
    KnownWords{"falcon", {R"([\p{P}\$\+<=>\^~\|`]+)", kGpt2Regex, kThreeDigits}},
    KnownWords{"deepseek-coder",
               {R"([\r\n])", R"(\s?\p{L}+)", R"(\s?\p{P}+)",
                "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+", R"(\p{N})"}},
    KnownWords{"deepseek-v3",
               {R"(\p{N}{1,3})", "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+", kDeepSeek3Regex}},
};

/// Other names that llama.cpp gives to the same.
constexpr std::array<std::pair<std::string_view, std::string_view>, 26> kOtherNames = {{
    {"phi-2", kGpt2Words},
    {"mpt", kGpt2Words},
    {"olmo", kGpt2Words},
    {"exaone4", kGpt2Words},
    {"starcoder", kDigitsApart},
    {"refact", kDigitsApart},
    {"command-r", kDigitsApart},
    {"codeshell", kDigitsApart},
    {"exaone", kDigitsApart},
    {"llama3", "llama-bpe"},
    {"llama-v3", "llama-bpe"},
    {"deepseek-r1-qwen", "qwen2"},
    {"kormo", "qwen2"},
    {"stablelm2", "qwen2"},
    {"megrez", "qwen2"},
    {"hunyuan", "qwen2"},
    {"grok-2", "qwen2"},
    {"jais", kGpt2Words},
    {"trillion", kGpt2Words},
    {"minerva-7b", kDigitsApart},
    {"falcon3", "llama-bpe"},
    {"pixtral", "llama-bpe"},
    {"smaug-bpe", "dbrx"},
    {"chatglm-bpe", "dbrx"},
    {"glm4", "dbrx"},
    {"llama4", "gpt-4o"},
}};

constexpr const char* kSpaceMark = "\xE2\x96\x81";  // U+2581, which SentencePiece has for a space

OrderedJson byte_level(bool use_regex) {
  return {{"type", "ByteLevel"},
          {"add_prefix_space", false},
          {"trim_offsets", true},
          {"use_regex", use_regex}};
}

OrderedJson pre_tokenizer_json(const KnownWords& pre) {
  if (pre.name == kGpt2Words) return byte_level(true);
  OrderedJson steps = OrderedJson::array();
  if (pre.name == kDigitsApart) {
    steps.push_back({{"type", "Digits"}, {"individual_digits", true}});
  } else {
    for (const std::string_view regex : pre.regexes) {
      if (regex.empty()) continue;
      steps.push_back({{"type", "Split"},
                       {"pattern", {{"Regex", regex}}},
                       {"behavior", "Isolated"},
                       {"invert", false}});
    }
  }
  steps.push_back(byte_level(pre.name == kDigitsApart));
  return {{"type", "Sequence"}, {"pretokenizers", std::move(steps)}};
}

/// Reads one file's tokenizer.
class Converter {
 public:
  explicit Converter(const Gguf& file) : file_(file) {
    const auto kind = file.text(key("model"));
    if (!kind) fail("metadata 'tokenizer.ggml.model' is needed but absent");
    if (*kind == "no_vocab") {
      throw Error(ErrorCode::not_found, file.where() + ": needed a tokenizer, found none in it");
    }
    if (*kind != "gpt2" && *kind != "llama") {
      throw Error(ErrorCode::unsupported,
                  fmt::format("{}: the tokenizer is of kind {}; Heed reads gpt2 and llama",
                              file.where(), in_quotes(*kind)));
    }
    sentence_piece_ = *kind == "llama";
    const auto pieces = file.texts(key("tokens"));
    if (!pieces) fail("metadata 'tokenizer.ggml.tokens' is needed but absent");
    pieces_ = *pieces;
    types_ = file.integers(key("token_type")).value_or(std::vector<int64_t>());
    if (!types_.empty() && types_.size() != pieces_.size()) {
      fail(fmt::format("has {} tokens but {} types of tokens", pieces_.size(), types_.size()));
    }
    for (const std::string_view piece : pieces_) {
      if (!ids_.emplace(piece, static_cast<int64_t>(ids_.size())).second) {
        fail("has the token " + in_quotes(piece) + " twice");
      }
    }
    if (!sentence_piece_) pre_ = &pre_tokenizer();
  }

  std::string tokenizer_json() const {
    OrderedJson document = around_model();
    document["model"] = model_json();
    return dump(document);
  }

  std::shared_ptr<const Tokenizer> tokenizer() const {
    const Json around = parse_json(dump(around_model()), file_.where());
    TokenizerParts parts;
    parts.vocabulary = std::make_unique<const Vocabulary>(
        std::vector<std::string>(pieces_.begin(), pieces_.end()), file_.where());
    parts.model = bpe(*parts.vocabulary, bpe_options(), file_.where());
    read_around_model(JsonField(around, file_.where() + ":"), parts);
    return make_tokenizer(std::move(parts), file_.where());
  }

  std::string config_json() const {
    OrderedJson config = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                          {"clean_up_tokenization_spaces", false},
                          {"add_bos_token", adds_begin()},
                          {"add_eos_token", adds_end()}};
    for (const auto& [field, name] :
         {std::pair("bos_token", "bos_token_id"), std::pair("eos_token", "eos_token_id"),
          std::pair("unk_token", "unknown_token_id"), std::pair("pad_token", "padding_token_id")}) {
      if (const auto id = special(name)) config[field] = pieces_[static_cast<size_t>(*id)];
    }
    if (const auto source = file_.text("tokenizer.chat_template"))
      config["chat_template"] = *source;
    return dump(config);
  }

 private:
  using Merges = decltype(BpeOptions::merges);

  static std::string key(std::string_view name) { return "tokenizer.ggml." + std::string(name); }
  [[noreturn]] void fail(const std::string& found) const {
    throw Error(ErrorCode::corrupt_data, file_.where() + ": " + found);
  }

  std::string dump(const OrderedJson& document) const {
    try {
      return document.dump(1) + "\n";
    } catch (const OrderedJson::type_error&) {
      fail("its tokens and merges must be UTF-8, and one is not");
    }
  }

  const KnownWords& pre_tokenizer() const {
    const std::string_view name = file_.text(key("pre")).value_or("default");
    const auto* other =
        std::ranges::find(kOtherNames, name, [](const auto& pair) { return pair.first; });
    const std::string_view usual = other == kOtherNames.end() ? name : other->second;
    const auto* found = std::ranges::find(kKnownWords, usual, &KnownWords::name);
    if (found != kKnownWords.end()) return *found;
    std::vector<std::string_view> known;
    for (const KnownWords& pre : kKnownWords) known.push_back(pre.name);
    throw Error(ErrorCode::unsupported,
                fmt::format("{}: metadata 'tokenizer.ggml.pre' is {}; Heed knows {}; give a folder "
                            "with the model's tokenizer.json",
                            file_.where(), in_quotes(name), fmt::join(known, ", ")));
  }

  TokenType type(size_t id) const {
    return types_.empty() ? TokenType::normal : static_cast<TokenType>(types_[id]);
  }

  std::optional<int64_t> special(const char* name) const {
    const auto id = file_.integer(key(name));
    if (id && (*id < 0 || *id >= std::ssize(pieces_))) {
      fail(fmt::format("metadata '{}' is {}, needed an id below {}", key(name), *id,
                       pieces_.size()));
    }
    return id;
  }

  bool adds_begin() const {
    const bool usual = sentence_piece_ || pre_->begins;
    return file_.boolean(key("add_bos_token")).value_or(usual);
  }
  bool adds_end() const { return file_.boolean(key("add_eos_token")).value_or(false); }

  OrderedJson added_tokens() const {
    OrderedJson added = OrderedJson::array();
    for (size_t id = 0; id < pieces_.size(); ++id) {
      const TokenType of = type(id);
      const bool special = of == TokenType::control || of == TokenType::unknown;
      if (!special && of != TokenType::user_defined) continue;
      added.push_back({{"id", id},
                       {"content", pieces_[id]},
                       {"single_word", false},
                       {"lstrip", false},
                       {"rstrip", false},
                       {"normalized", false},
                       {"special", special}});
    }
    return added;
  }

  OrderedJson post_processor() const {
    OrderedJson single = OrderedJson::array();
    OrderedJson tokens = OrderedJson::object();
    const auto add_special = [&](const char* name) {
      const auto id = special(name);
      if (!id) return;
      const std::string_view piece = pieces_[static_cast<size_t>(*id)];
      single.push_back({{"SpecialToken", {{"id", piece}, {"type_id", 0}}}});
      tokens[std::string(piece)] = {{"id", piece},
                                    {"ids", OrderedJson::array({*id})},
                                    {"tokens", OrderedJson::array({piece})}};
    };
    const auto add_text = [&](const char* id, int type) {
      single.push_back({{"Sequence", {{"id", id}, {"type_id", type}}}});
    };
    if (adds_begin()) add_special("bos_token_id");
    add_text("A", 0);
    if (adds_end()) add_special("eos_token_id");
    const OrderedJson alone = single;
    if (adds_begin()) add_special("bos_token_id");
    add_text("B", 1);
    if (adds_end()) add_special("eos_token_id");
    return {{"type", "TemplateProcessing"},
            {"single", alone},
            {"pair", std::move(single)},
            {"special_tokens", std::move(tokens)}};
  }

  OrderedJson space_marks() const {
    OrderedJson steps = OrderedJson::array();
    if (file_.boolean(key("add_space_prefix")).value_or(true)) {
      steps.push_back({{"type", "Prepend"}, {"prepend", kSpaceMark}});
    }
    steps.push_back({{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", kSpaceMark}});
    return {{"type", "Sequence"}, {"normalizers", std::move(steps)}};
  }

  OrderedJson marks_decoder() const {
    OrderedJson steps = OrderedJson::array();
    steps.push_back({{"type", "Replace"}, {"pattern", {{"String", kSpaceMark}}}, {"content", " "}});
    steps.push_back({{"type", "ByteFallback"}});
    steps.push_back({{"type", "Fuse"}});
    if (file_.boolean(key("add_space_prefix")).value_or(true)) {
      steps.push_back({{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
    }
    return {{"type", "Sequence"}, {"decoders", std::move(steps)}};
  }

  OrderedJson around_model() const {
    OrderedJson document = {{"version", "1.0"},
                            {"truncation", nullptr},
                            {"padding", nullptr},
                            {"added_tokens", added_tokens()},
                            {"normalizer", sentence_piece_ ? space_marks() : OrderedJson()},
                            {"pre_tokenizer", OrderedJson()},
                            {"post_processor", post_processor()},
                            {"decoder", sentence_piece_ ? marks_decoder() : byte_level(true)}};
    if (pre_ != nullptr) document["pre_tokenizer"] = pre_tokenizer_json(*pre_);
    return document;
  }

  BpeOptions bpe_options() const {
    BpeOptions options;
    const auto unknown = sentence_piece_ ? special("unknown_token_id") : std::nullopt;
    if (unknown) options.unknown = pieces_[static_cast<size_t>(*unknown)];
    options.fuse_unknown = options.byte_fallback = sentence_piece_;
    options.ignore_merges = pre_ != nullptr && pre_->ignore_merges;
    options.merges = sentence_piece_ ? scored_merges() : stored_merges();
    return options;
  }

  OrderedJson model_json() const {
    const BpeOptions options = bpe_options();
    OrderedJson::object_t vocab;  // filled at its end: operator[] searches it
    vocab.reserve(pieces_.size());
    for (size_t id = 0; id < pieces_.size(); ++id) vocab.emplace_back(pieces_[id], id);
    OrderedJson merges = OrderedJson::array();
    for (const auto& [left, right] : options.merges) {
      merges.push_back(OrderedJson::array({left, right}));
    }
    return {{"type", "BPE"},
            {"dropout", nullptr},
            {"unk_token", options.unknown ? OrderedJson(*options.unknown) : nullptr},
            {"continuing_subword_prefix", nullptr},
            {"end_of_word_suffix", nullptr},
            {"fuse_unk", options.fuse_unknown},
            {"byte_fallback", options.byte_fallback},
            {"ignore_merges", options.ignore_merges},
            {"vocab", std::move(vocab)},
            {"merges", std::move(merges)}};
  }

  Merges stored_merges() const {
    const auto merges = file_.texts(key("merges"));
    if (!merges) fail("metadata 'tokenizer.ggml.merges' is needed but absent");
    Merges out;
    out.reserve(merges->size());
    for (const std::string_view merge : *merges) {
      // byte-level pieces have no spaces; one that begins a merge would be a piece's first byte
      const size_t space = merge.find(' ', 1);
      if (space == std::string_view::npos) {
        fail("the merge " + in_quotes(merge) + " must be two pieces with a space between them");
      }
      out.emplace_back(merge.substr(0, space), merge.substr(space + 1));
    }
    return out;
  }

  Merges scored_merges() const {
    const auto scores = file_.numbers(key("scores"));
    if (!scores || scores->size() != pieces_.size()) {
      fail("needed metadata 'tokenizer.ggml.scores', a number for each token");
    }
    std::vector<ScoredPiece> scored;
    for (size_t id = 0; id < pieces_.size(); ++id) {
      scored.push_back({pieces_[id], (*scores)[id], type(id) == TokenType::normal});
    }
    return merges_of_scores(scored);
  }

  const Gguf& file_;
  bool sentence_piece_ = false;
  const KnownWords* pre_ = nullptr;  // of byte-level BPE
  std::vector<std::string_view> pieces_;
  std::vector<int64_t> types_;  // empty: all are normal
  std::unordered_map<std::string_view, int64_t> ids_;
};

/// The steps of a pre_tokenizer without what decides nothing about words.
nlohmann::json word_steps(const nlohmann::json& pre_tokenizer) {
  if (!pre_tokenizer.is_object()) return nullptr;
  nlohmann::json steps = pre_tokenizer.contains("pretokenizers")
                             ? pre_tokenizer["pretokenizers"]
                             : nlohmann::json::array({pre_tokenizer});
  for (nlohmann::json& step : steps) {
    if (step.value("type", "") != "ByteLevel") continue;
    step.erase("trim_offsets");
    if (!step.contains("use_regex")) step["use_regex"] = true;
  }
  return steps;
}

}  // namespace

std::string gguf_tokenizer_json(const Gguf& file) { return Converter(file).tokenizer_json(); }

std::shared_ptr<const Tokenizer> gguf_tokenizer(const Gguf& file) {
  return Converter(file).tokenizer();
}

std::string gguf_tokenizer_config(const Gguf& file) { return Converter(file).config_json(); }

std::string gguf_pre_name(const std::string& pre_tokenizer) {
  const nlohmann::json steps = word_steps(nlohmann::json::parse(pre_tokenizer));
  for (const KnownWords& pre : kKnownWords) {
    if (word_steps(nlohmann::json(pre_tokenizer_json(pre))) == steps) return std::string(pre.name);
  }
  return {};
}

}  // namespace heed
