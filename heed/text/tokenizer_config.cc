#include "heed/text/tokenizer_config.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <unordered_map>

#include "heed/base/message.h"

namespace heed {
namespace {

Json object_of(const std::string& text, const std::string& path) {
  Json document = text.empty() ? Json::object() : parse_json(text, path);
  JsonField(document, path + ":").object();
  return document;
}

int32_t id_of(const std::string& key, const JsonField& json) {
  int32_t id = -1;
  const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), id);
  if (error != std::errc() || end != key.data() + key.size() || id < 0) {
    throw Error(ErrorCode::corrupt_data,
                fmt::format("{}: needed ids as names of its members, found {}", json.path(),
                            in_quotes(key)));
  }
  return id;
}

/// {"30522": {"content": "word", "special": true}}: a flag that is absent is transformers' own.
std::vector<AddedToken> tokens_with_flags(const JsonField& json) {
  std::vector<AddedToken> tokens;
  std::unordered_map<std::string, int32_t> ids;
  for (const auto& entry : json.object().items()) {
    const JsonField item = json[entry.key()];
    const auto flag = [&item](const char* name, bool fallback) {
      return item.has(name) ? item[name].boolean() : fallback;
    };
    const bool special = flag("special", false);
    tokens.push_back({.id = id_of(entry.key(), json),
                      .content = item["content"].string(),
                      .single_word = flag("single_word", false),
                      .lstrip = flag("lstrip", false),
                      .rstrip = flag("rstrip", false),
                      .normalized = flag("normalized", !special),
                      .special = special});
    const AddedToken& token = tokens.back();
    const auto first = ids.emplace(token.content, token.id).first;
    if (first->second == token.id) continue;
    throw Error(ErrorCode::corrupt_data,
                fmt::format("{}: needed one id for each token, found {} and {} for {}", json.path(),
                            first->second, token.id, in_quotes(token.content)));
  }
  return tokens;
}

/// {"word": 30522}
std::vector<AddedToken> tokens_without_flags(const JsonField& json) {
  std::vector<AddedToken> tokens;
  for (const auto& entry : json.object().items()) {
    tokens.push_back({.id = json[entry.key()].index(), .content = entry.key(), .normalized = true});
  }
  return tokens;
}

/// A token written as itself or as an object with its content.
std::string content_of(const JsonField& json) {
  return json.is_string() ? json.string() : json["content"].string();
}

}  // namespace

TokenizerConfig::TokenizerConfig(const TokenizerSettings& files, const std::string& folder)
    : path_(folder + "tokenizer_config.json"), document_(object_of(files.config, path_)) {
  constexpr const char* kDecoder = "added_tokens_decoder";
  with_flags_ = json().has(kDecoder);
  if (with_flags_) {
    added_ = tokens_with_flags(json()[kDecoder]);
    return;
  }
  document_.update(object_of(files.special_tokens_map, folder + "special_tokens_map.json"));
  const std::string path = folder + "added_tokens.json";
  const Json added = object_of(files.added_tokens, path);
  added_ = tokens_without_flags({added, path + ":"});
}

std::string TokenizerConfig::tokenizer_class(std::string_view fallback) const {
  const JsonField config = json();
  if (!config.has("tokenizer_class")) return std::string(fallback);
  std::string name = config["tokenizer_class"].string();
  if (name.ends_with("Fast")) name.resize(name.size() - 4);
  return name;
}

void TokenizerConfig::refuse_class(std::string_view needed) const {
  throw Error(
      ErrorCode::unsupported,
      fmt::format("{}: tokenizer_class: needed {} or a class that equals it, found {}; give "
                  "a tokenizer.json",
                  path_, needed, in_quotes(tokenizer_class(""))));
}

bool TokenizerConfig::flag(std::string_view key, bool fallback) const {
  const JsonField config = json();
  return config.has(key) ? config[key].boolean() : fallback;
}

std::string TokenizerConfig::token(std::string_view key, std::string_view fallback) const {
  const JsonField config = json();
  if (!config.has(key)) return std::string(fallback);
  return content_of(config[key]);
}

SpecialToken TokenizerConfig::special(const Vocabulary& vocabulary,
                                      const std::string& token) const {
  if (const auto id = vocabulary.find(token)) return {token, *id};
  const auto added = std::ranges::find(added_, token, &AddedToken::content);
  if (added != added_.end()) return {token, added->id};
  throw Error(ErrorCode::corrupt_data,
              fmt::format("{}: the vocabulary of {} pieces lacks the special token {}", path_,
                          vocabulary.size(), in_quotes(token)));
}

std::vector<AddedToken> TokenizerConfig::added_tokens(const Vocabulary& vocabulary,
                                                      std::vector<std::string> names,
                                                      std::string_view mask) const {
  const size_t own = names.size();
  for (const char* further : {"additional_special_tokens", "extra_special_tokens"}) {
    if (!json().has(further) || !json()[further].is_list()) continue;
    for (const JsonField& token : json()[further].items()) names.push_back(content_of(token));
  }
  std::vector<AddedToken> out = added_;
  std::unordered_map<std::string, size_t> places;
  for (size_t i = 0; i < out.size(); ++i) places.emplace(out[i].content, i);
  for (size_t i = 0; i < names.size(); ++i) {
    const std::string& name = names[i];
    const auto known = places.find(name);
    const auto id = vocabulary.find(name);
    if (known == places.end() && id && !name.empty()) {
      places.emplace(name, out.size());
      out.push_back({.id = *id, .content = name, .lstrip = name == mask, .special = true});
    } else if (known != places.end()) {
      AddedToken& token = out[known->second];
      token.special = token.special || i < own || !with_flags_;
      if (with_flags_) continue;
      token.lstrip = name == mask;
      token.normalized = false;
    }
  }
  return out;
}

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

}  // namespace heed
