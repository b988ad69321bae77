#include "heed/text/tokenizer_config.h"

#include <fmt/format.h>

#include <algorithm>

#include "heed/base/message.h"

namespace heed {

TokenizerConfig::TokenizerConfig(std::string_view text, const std::string& path)
    : path_(path), document_(text.empty() ? Json::object() : parse_json(text, path)) {}

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
  const JsonField field = config[key];
  return field.is_string() ? field.string() : field["content"].string();
}

SpecialToken TokenizerConfig::special(const Vocabulary& vocabulary,
                                      const std::string& token) const {
  const auto id = vocabulary.find(token);
  if (!id) {
    throw Error(ErrorCode::corrupt_data,
                fmt::format("{}: the vocabulary of {} pieces lacks the special token {}", path_,
                            vocabulary.size(), in_quotes(token)));
  }
  return {token, *id};
}

std::vector<AddedToken> special_tokens(const Vocabulary& vocabulary,
                                       const std::vector<std::string>& names) {
  std::vector<AddedToken> out;
  for (const std::string& name : names) {
    const int32_t id = vocabulary.find(name).value_or(-1);
    const bool known = std::any_of(out.begin(), out.end(),
                                   [&](const AddedToken& token) { return token.id == id; });
    if (id >= 0 && !known && !name.empty()) {
      out.push_back({.id = id, .content = name, .special = true});
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
