#include "heed/generate/narrator.h"

#include <algorithm>

namespace heed {

Narrator::Narrator(std::shared_ptr<const Tokenizer> tokenizer, std::vector<std::string> stop,
                   std::function<void(std::string_view piece)> tell)
    : stop_(std::move(stop)), tell_(std::move(tell)) {
  if (tokenizer != nullptr) stream_.emplace(std::move(tokenizer));
}

void Narrator::begin(std::span<const int32_t> ids) {
  if (!stream_) return;
  for (const int32_t id : ids) text_ += stream_->add(id);
  tell_to(text_.size());
  searched_ = told_;
}

bool Narrator::add(int32_t id) { return !stream_ || take(stream_->add(id)); }

std::string Narrator::finish() {
  if (stream_ && !stopped_ && take(stream_->finish())) tell_to(text_.size());
  return std::move(text_);
}

bool Narrator::take(const std::string& piece) {
  text_ += piece;
  size_t found = std::string::npos;
  for (const std::string& stop : stop_) found = std::min(found, text_.find(stop, searched_));
  stopped_ = found != std::string::npos;
  if (stopped_) text_.resize(found);
  tell_to(stopped_ ? text_.size() : text_.size() - held_back());
  searched_ = told_;
  return !stopped_;
}

void Narrator::tell_to(size_t end) {
  if (end > told_ && tell_) tell_(std::string_view(text_).substr(told_, end - told_));
  told_ = std::max(told_, end);
}

/// The length of the longest end of the text that a stop string may begin with.
size_t Narrator::held_back() const {
  size_t longest = 0;
  for (const std::string& stop : stop_) {
    const size_t most = std::min(stop.size() - 1, text_.size() - searched_);
    for (size_t size = most; size > longest; --size) {
      if (std::string_view(text_).ends_with(std::string_view(stop).substr(0, size))) longest = size;
    }
  }
  return longest;
}

}  // namespace heed
