#include "heed/text/text_stream.h"

#include <array>
#include <utility>

#include "heed/text/unicode.h"

namespace heed {

TextStream::TextStream(std::shared_ptr<const Tokenizer> tokenizer, bool skip_special)
    : tokenizer_(std::move(tokenizer)), skip_special_(skip_special) {}

std::string TextStream::add(int32_t id) {
  if (id >= tokenizer_->vocab_size()) return {};
  const std::array<int32_t, 2> ids = {before_.value_or(id), id};
  const std::span<const int32_t> both(ids);
  std::string added = tokenizer_->decode_bytes(both.last(1), skip_special_);
  // a space at the start of a text is dropped, and still the text has begun; a special token that
  // is left out has begun nothing
  const bool left_out = added.empty() && !tokenizer_->decode_bytes(both.last(1), false).empty();
  if (left_out) return {};
  if (before_) {
    const size_t known = tokenizer_->decode_bytes(both.first(1), skip_special_).size();
    added = tokenizer_->decode_bytes(both, skip_special_);
    added.erase(0, known);  // a decoder's replacements may leave less than was known
  }
  before_ = id;
  pending_ += added;
  const size_t whole = pending_.size() - unfinished_utf8(pending_);
  std::string text = to_utf8(decode_utf8(std::string_view(pending_).substr(0, whole)).chars);
  pending_.erase(0, whole);
  return text;
}

std::string TextStream::finish() {
  before_.reset();
  return to_utf8(decode_utf8(std::exchange(pending_, {})).chars);
}

}  // namespace heed
