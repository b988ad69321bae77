#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "heed/text/regex.h"

namespace heed {

/// Joins tokens to a text. Immutable: safe from many threads.
class TokenDecoder {
 public:
  virtual ~TokenDecoder() = default;
  /// Rewrites the tokens, which may become fewer; what is left is joined as it is. Byte-level
  /// tokens can be parts of characters, so this need not be UTF-8.
  virtual void apply(std::vector<std::string>& tokens) const = 0;

  std::string decode(std::span<const std::string_view> tokens) const;
};

using DecoderPtr = std::unique_ptr<const TokenDecoder>;

/// The byte that a piece of byte fallback, <0x0A>, stands for; -1 for another piece.
int byte_of_piece(std::string_view piece);

/// Tokens with spaces between them.
DecoderPtr spaced_decoder();
/// Tokens one after the other, as one for what follows.
DecoderPtr fuse_decoder();
/// Continuing pieces (with the prefix) join the token before them; `cleanup` takes the spaces
/// before punctuation and English contractions away.
DecoderPtr word_piece_decoder(std::string prefix, bool cleanup);
/// Every `pattern` (not empty) in a token becomes `content`.
DecoderPtr replace_decoder(std::string pattern, std::string content);
/// Every match of `pattern` in a token becomes `content`.
DecoderPtr replace_decoder(Regex pattern, std::string content);
/// Every `suffix` becomes a space, those of the last token nothing.
DecoderPtr bpe_decoder(std::string suffix);
struct CtcOptions {
  std::string pad;             // drops out, once equal tokens in a row have become one
  std::string word_delimiter;  // becomes a space
  bool cleanup = true;         // as word_piece_decoder's; without it delimiters stay
};
/// What a model of connectionist temporal classification writes (Graves et al. 2006).
DecoderPtr ctc_decoder(const CtcOptions& options);
/// Takes up to `start` times `content` (a character) from each token's start and `stop` times from
/// its end.
DecoderPtr strip_decoder(std::string content, int32_t start, int32_t stop);
/// <0x0A> becomes the byte 0A.
DecoderPtr byte_fallback_decoder();
/// Every `replacement` becomes a space, those of the first token (if `drop_first`) nothing.
DecoderPtr metaspace_decoder(std::string replacement, bool drop_first);
DecoderPtr sequence_decoder(std::vector<DecoderPtr> steps);

}  // namespace heed
