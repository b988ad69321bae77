#include "heed/generate/languages.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "heed/base/error.h"
#include "heed/base/message.h"

namespace heed {
namespace {

/// "en_XX", "zh_CN".
bool is_language(std::string_view token) {
  const auto in = [&](size_t i, char first, char last) {
    return token[i] >= first && token[i] <= last;
  };
  return token.size() == 5 && in(0, 'a', 'z') && in(1, 'a', 'z') && token[2] == '_' &&
         in(3, 'A', 'Z') && in(4, 'A', 'Z');
}

std::vector<std::string> languages_of(const Tokenizer& tokenizer) {
  std::vector<std::string> names;
  for (int64_t id = 0; id < tokenizer.vocab_size(); ++id) {
    const std::string& token = tokenizer.token_of(static_cast<int32_t>(id));
    if (is_language(token)) names.push_back(token);
  }
  return names;
}

}  // namespace

bool language_leads(const Tokenizer& tokenizer) {
  const Encoding around = tokenizer.encode("");
  const auto found = std::ranges::find_if(around.tokens, is_language);
  if (found == around.tokens.end()) {
    throw Error(ErrorCode::unsupported,
                "model: needed a tokenizer that puts a language beside a text (mBART's), found one "
                "that does not");
  }
  return found == around.tokens.begin();
}

int32_t language_id(const Tokenizer& tokenizer, std::string_view name) {
  const auto id = tokenizer.id_of(name);
  if (id && is_language(name)) return *id;
  constexpr size_t kMost = 60;
  throw Error(ErrorCode::invalid_argument,
              fmt::format("model: needed a language of its tokenizer's ({}), found {}",
                          listed(languages_of(tokenizer), kMost), in_quotes(name)));
}

void set_language(Encoding& encoding, int32_t id, const Tokenizer& tokenizer) {
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    if (!encoding.special[i] || !is_language(encoding.tokens[i])) continue;
    encoding.ids[i] = id;
    encoding.tokens[i] = tokenizer.token_of(id);
  }
}

}  // namespace heed
