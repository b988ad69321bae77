#include "heed/text/added_tokens.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/text/unicode.h"

namespace heed {

void StringSet::add(std::u32string_view text, int32_t value) {
  if (text.empty()) return;
  may_begin_[text.front() & 0xFF] = true;
  uint32_t node = 0;
  for (const char32_t c : text) {
    if (const uint32_t* next = child(nodes_[node], c)) {
      node = *next;
      continue;
    }
    const auto fresh = static_cast<uint32_t>(nodes_.size());
    auto& next = nodes_[node].next;
    next.insert(std::upper_bound(next.begin(), next.end(), std::pair(c, uint32_t{0})), {c, fresh});
    nodes_.emplace_back();
    node = fresh;
  }
  if (nodes_[node].value < 0) nodes_[node].value = value;
}

const uint32_t* StringSet::child(const Node& node, char32_t c) const {
  const auto at = std::lower_bound(node.next.begin(), node.next.end(), std::pair(c, uint32_t{0}));
  return at != node.next.end() && at->first == c ? &at->second : nullptr;
}

StringSet::Found StringSet::longest_at(std::u32string_view text, size_t at) const {
  Found found;
  if (!may_begin_[text[at] & 0xFF]) return found;
  uint32_t node = 0;
  for (size_t i = at; i < text.size(); ++i) {
    const uint32_t* next = child(nodes_[node], text[i]);
    if (next == nullptr) break;
    node = *next;
    if (nodes_[node].value >= 0) found = {nodes_[node].value, static_cast<uint32_t>(i + 1 - at)};
  }
  return found;
}

AddedTokens::AddedTokens(std::vector<AddedToken> tokens, const Vocabulary& vocabulary,
                         const Normalizer* normalizer, std::string_view where)
    : tokens_(std::move(tokens)) {
  std::stable_sort(tokens_.begin(), tokens_.end(),
                   [](const AddedToken& a, const AddedToken& b) { return a.id < b.id; });
  for (size_t i = 0; i < tokens_.size(); ++i) {
    const AddedToken& token = tokens_[i];
    const auto known = vocabulary.find(token.content);
    const auto next = static_cast<int32_t>(vocabulary.size() + static_cast<int64_t>(extra_.size()));
    if (!by_id_.emplace(token.id, i).second || token.id != known.value_or(next)) {
      throw Error(ErrorCode::corrupt_data,
                  fmt::format("{}: the added token {} has id {}, but {} {}; ids must be unique "
                              "and without holes",
                              where, in_quotes(token.content), token.id,
                              known ? "the vocabulary gives it" : "the next free id is",
                              known.value_or(next)));
    }
    if (!known) extra_.push_back(token.content);
    decoded_.push_back(token.content);
    std::u32string chars = decode_utf8(token.content).chars;
    if (token.normalized && normalizer != nullptr) {
      AlignedText text = AlignedText::identity(chars, 0);
      normalizer->apply(text);
      chars = std::move(text.chars);
      decoded_.back() = to_utf8(chars);
    }
    if (chars.empty()) {
      throw Error(
          ErrorCode::unsupported,
          fmt::format("{}: the added token {} of id {} is empty{}", where, in_quotes(token.content),
                      token.id, token.content.empty() ? "" : " once normalised"));
    }
    (token.normalized ? normalized_set_ : raw_set_).add(chars, static_cast<int32_t>(i));
  }
}

void AddedTokens::split(std::u32string_view chars, bool normalized, std::vector<Piece>& out) const {
  const StringSet& set = normalized ? normalized_set_ : raw_set_;
  const auto size = static_cast<uint32_t>(chars.size());
  uint32_t done = 0;
  for (uint32_t at = 0; !set.empty() && at < size;) {
    const StringSet::Found found = set.longest_at(chars, at);
    if (found.value < 0) {
      ++at;
      continue;
    }
    uint32_t begin = at;
    uint32_t end = at + found.length;
    at = end;
    const AddedToken& token = tokens_[static_cast<size_t>(found.value)];
    const bool touched =
        (begin > 0 && is_word(chars[begin - 1])) || (end < size && is_word(chars[end]));
    if (token.single_word && touched) continue;
    if (token.lstrip) {
      while (begin > 0 && is_whitespace(chars[begin - 1])) --begin;
      begin = std::max(begin, done);
    }
    while (token.rstrip && end < size && is_whitespace(chars[end])) ++end;
    if (done < begin) out.push_back({done, begin});
    out.push_back({begin, end, token.id});
    done = end;
  }
  if (done < size) out.push_back({done, size});
}

const AddedToken* AddedTokens::of_id(int32_t id) const {
  const auto at = by_id_.find(id);
  return at == by_id_.end() ? nullptr : &tokens_[at->second];
}

const std::string& AddedTokens::decoded_text(const AddedToken& token) const {
  return decoded_[by_id_.at(token.id)];
}

}  // namespace heed
