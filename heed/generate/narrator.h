#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "heed/text/text_stream.h"

namespace heed {

/// A text as its tokens come, which ends before the first of some stop strings. Internal: not
/// installed.
class Narrator {
 public:
  /// Without a tokenizer there is no text.
  Narrator(std::shared_ptr<const Tokenizer> tokenizer, std::vector<std::string> stop,
           std::function<void(std::string_view piece)> tell);

  /// What the text begins with, before any token is added; no stop string is searched in it.
  void begin(std::span<const int32_t> ids);
  /// Whether the text goes on.
  bool add(int32_t id);
  /// The whole text, once the last token was added.
  std::string finish();

 private:
  bool take(const std::string& piece);
  void tell_to(size_t end);
  size_t held_back() const;

  std::optional<TextStream> stream_;
  std::vector<std::string> stop_;
  std::function<void(std::string_view)> tell_;
  std::string text_;
  size_t searched_ = 0;  // no stop string begins before this place
  size_t told_ = 0;
  bool stopped_ = false;
};

}  // namespace heed
