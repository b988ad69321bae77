#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

namespace heed {

/// Joins tokens to a text. Immutable: safe from many threads.
class Decoder {
 public:
  virtual ~Decoder() = default;
  /// Byte-level tokens can be parts of characters, so this need not be UTF-8.
  virtual std::string decode(std::span<const std::string_view> tokens) const = 0;
};

using DecoderPtr = std::unique_ptr<const Decoder>;

/// Tokens with spaces between them.
DecoderPtr spaced_decoder();
/// Tokens one after the other.
DecoderPtr fuse_decoder();
/// Continuing pieces (with the prefix) join the token before them; `cleanup` takes the spaces
/// before punctuation and English contractions away.
DecoderPtr word_piece_decoder(std::string prefix, bool cleanup);

}  // namespace heed
