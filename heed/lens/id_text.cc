#include "heed/lens/id_text.h"

#include <algorithm>
#include <array>

#include "heed/lens/labels.h"
#include "heed/lens/words.h"
#include "heed/text/characters.h"

namespace heed {

void IdText::set(std::span<const int32_t> ids) {
  const auto& known = encoding_.ids;
  if (known.size() > ids.size() || !std::equal(known.begin(), known.end(), ids.begin())) clear();
  for (size_t i = known.size(); i < ids.size(); ++i) add(ids[i]);
}

void IdText::clear() {
  encoding_ = {};
  text_.clear();
}

/// The bytes that the token adds after the one before it, which decides about a space between.
std::string IdText::piece(int32_t id) const {
  const std::array<int32_t, 2> both{encoding_.ids.empty() ? id : encoding_.ids.back(), id};
  const std::span<const int32_t> ids(both);
  if (encoding_.ids.empty()) return tokenizer_->decode_bytes(ids.last(1), false);
  const size_t before = tokenizer_->decode_bytes(ids.first(1), false).size();
  const std::string together = tokenizer_->decode_bytes(ids, false);
  return together.substr(std::min(before, together.size()));
}

void IdText::add(int32_t id) {
  const std::string bytes = piece(id);
  const bool special = !bytes.empty() &&
                       tokenizer_->decode_bytes(std::span<const int32_t>(&id, 1), true).empty() &&
                       !tokenizer_->decode_bytes(std::span<const int32_t>(&id, 1), false).empty();
  Encoding& e = encoding_;
  const bool same_word = !special && !e.ids.empty() && !e.special.back() && goes_on(text_, bytes);
  const int32_t last_word = e.words.empty() ? -1 : e.words.back();
  const auto start = std::ssize(text_);
  const int64_t start_character = e.offsets.empty() ? 0 : e.offsets.back().end;
  text_ += bytes;
  e.ids.push_back(id);
  // a padded table has rows that are no pieces
  e.tokens.push_back(id < tokenizer_->vocab_size() ? tokenizer_->token_of(id) : "");
  e.type_ids.push_back(0);
  e.offsets.push_back({start_character, start_character + count_characters(bytes)});
  e.byte_offsets.push_back({start, std::ssize(text_)});
  e.words.push_back(same_word ? last_word : last_word + 1);
  e.special.push_back(special);
}

Span IdText::word(int64_t token) const {
  const auto& words = encoding_.words;
  const auto range =
      std::equal_range(words.begin(), words.end(), words[static_cast<size_t>(token)]);
  return {range.first - words.begin(), range.second - words.begin()};
}

std::string IdText::word_name(int64_t token) const {
  const Span tokens = word(token);
  const auto& offsets = encoding_.byte_offsets;
  const int64_t start = offsets[static_cast<size_t>(tokens.start)].start;
  const int64_t end = offsets[static_cast<size_t>(tokens.end) - 1].end;
  return word_label(
      std::string_view(text_).substr(static_cast<size_t>(start), static_cast<size_t>(end - start)));
}

}  // namespace heed
