#include "heed/text/decoder.h"

#include <array>
#include <utility>

namespace heed {
namespace {

void replace_all(std::string& text, std::string_view pattern, std::string_view content) {
  for (size_t at = text.find(pattern); at != std::string::npos;
       at = text.find(pattern, at + content.size())) {
    text.replace(at, pattern.size(), content);
  }
}

// The reference's list, in its order; it looks at one token at a time.
void clean_up(std::string& token) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kReplacements = {{
      {" .", "."},
      {" ?", "?"},
      {" !", "!"},
      {" ,", ","},
      {" ' ", "'"},
      {" n't", "n't"},
      {" 'm", "'m"},
      {" do not", " don't"},
      {" 's", "'s"},
      {" 've", "'ve"},
      {" 're", "'re"},
  }};
  for (const auto& [pattern, content] : kReplacements) replace_all(token, pattern, content);
}

class Spaced final : public Decoder {
 public:
  std::string decode(std::span<const std::string_view> tokens) const override {
    std::string text;
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (i > 0) text += ' ';
      text += tokens[i];
    }
    return text;
  }
};

class Fuse final : public Decoder {
 public:
  std::string decode(std::span<const std::string_view> tokens) const override {
    std::string text;
    for (const std::string_view token : tokens) text += token;
    return text;
  }
};

class WordPieceDecoder final : public Decoder {
 public:
  WordPieceDecoder(std::string prefix, bool cleanup)
      : prefix_(std::move(prefix)), cleanup_(cleanup) {}

  std::string decode(std::span<const std::string_view> tokens) const override {
    std::string text;
    std::string token;
    for (size_t i = 0; i < tokens.size(); ++i) {
      std::string_view piece = tokens[i];
      token.clear();
      if (i > 0) {
        if (piece.starts_with(prefix_)) {
          piece.remove_prefix(prefix_.size());
        } else {
          token += ' ';
        }
      }
      token += piece;
      if (cleanup_) clean_up(token);
      text += token;
    }
    return text;
  }

 private:
  std::string prefix_;
  bool cleanup_;
};

}  // namespace

DecoderPtr spaced_decoder() { return std::make_unique<Spaced>(); }
DecoderPtr fuse_decoder() { return std::make_unique<Fuse>(); }
DecoderPtr word_piece_decoder(std::string prefix, bool cleanup) {
  return std::make_unique<WordPieceDecoder>(std::move(prefix), cleanup);
}

}  // namespace heed
