#include "heed/text/decoder.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "heed/base/error.h"
#include "heed/text/unicode.h"

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

class Spaced final : public TokenDecoder {
 public:
  void apply(std::vector<std::string>& tokens) const override {
    for (size_t i = 1; i < tokens.size(); ++i) tokens[i].insert(0, 1, ' ');
  }
};

class Fuse final : public TokenDecoder {
 public:
  void apply(std::vector<std::string>& tokens) const override {
    std::string text;
    for (const std::string& token : tokens) text += token;
    tokens = {text};
  }
};

class WordPieceDecoder final : public TokenDecoder {
 public:
  WordPieceDecoder(std::string prefix, bool cleanup)
      : prefix_(std::move(prefix)), cleanup_(cleanup) {}

  void apply(std::vector<std::string>& tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i) {
      if (i > 0 && tokens[i].starts_with(prefix_)) {
        tokens[i].erase(0, prefix_.size());
      } else if (i > 0) {
        tokens[i].insert(0, 1, ' ');
      }
      if (cleanup_) clean_up(tokens[i]);
    }
  }

 private:
  std::string prefix_;
  bool cleanup_;
};

class ReplaceDecoder final : public TokenDecoder {
 public:
  ReplaceDecoder(std::string pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void apply(std::vector<std::string>& tokens) const override {
    for (std::string& token : tokens) replace_all(token, pattern_, content_);
  }

 private:
  std::string pattern_;
  std::string content_;
};

class ReplaceMatchesDecoder final : public TokenDecoder {
 public:
  ReplaceMatchesDecoder(Regex pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void apply(std::vector<std::string>& tokens) const override {
    Regex::Search search(pattern_);
    for (std::string& token : tokens) {
      const std::u32string chars = decode_utf8(token).chars;
      const std::u32string_view view = chars;
      std::string replaced;
      size_t done = 0;
      search.each(view, [&](size_t begin, size_t end) {
        replaced += to_utf8(view.substr(done, begin - done)) + content_;
        done = end;
      });
      token = replaced + to_utf8(view.substr(done));
    }
  }

 private:
  Regex pattern_;
  std::string content_;
};

class BpeDecoder final : public TokenDecoder {
 public:
  explicit BpeDecoder(std::string suffix) : suffix_(std::move(suffix)) {}
  void apply(std::vector<std::string>& tokens) const override {
    for (std::string& token : tokens) {
      replace_all(token, suffix_, &token == &tokens.back() ? "" : " ");
    }
  }

 private:
  std::string suffix_;
};

class CtcDecoder final : public TokenDecoder {
 public:
  explicit CtcDecoder(CtcOptions options) : options_(std::move(options)) {}
  void apply(std::vector<std::string>& tokens) const override {
    tokens.erase(std::unique(tokens.begin(), tokens.end()), tokens.end());
    for (std::string& token : tokens) {
      replace_all(token, options_.pad, "");
      if (!options_.cleanup) continue;
      clean_up(token);
      replace_all(token, options_.word_delimiter, " ");
    }
    std::erase(tokens, "");
  }

 private:
  CtcOptions options_;
};

class StripDecoder final : public TokenDecoder {
 public:
  StripDecoder(std::string content, int32_t start, int32_t stop)
      : content_(std::move(content)), start_(start), stop_(stop) {}
  void apply(std::vector<std::string>& tokens) const override {
    for (std::string& token : tokens) {
      std::string_view rest = token;
      for (int32_t i = 0; i < start_ && rest.starts_with(content_); ++i) {
        rest.remove_prefix(content_.size());
      }
      for (int32_t i = 0; i < stop_ && rest.ends_with(content_); ++i) {
        rest.remove_suffix(content_.size());
      }
      if (rest.size() < token.size()) token = std::string(rest);
    }
  }

 private:
  std::string content_;
  int32_t start_;
  int32_t stop_;
};

class ByteFallback final : public TokenDecoder {
 public:
  void apply(std::vector<std::string>& tokens) const override {
    for (std::string& token : tokens) {
      if (const int byte = byte_of_piece(token); byte >= 0) token = static_cast<char>(byte);
    }
  }
};

class MetaspaceDecoder final : public TokenDecoder {
 public:
  MetaspaceDecoder(std::string replacement, bool drop_first)
      : replacement_(std::move(replacement)), drop_first_(drop_first) {}
  void apply(std::vector<std::string>& tokens) const override {
    for (size_t i = 0; i < tokens.size(); ++i) {
      replace_all(tokens[i], replacement_, i == 0 && drop_first_ ? "" : " ");
    }
  }

 private:
  std::string replacement_;
  bool drop_first_;
};

class DecoderSequence final : public TokenDecoder {
 public:
  explicit DecoderSequence(std::vector<DecoderPtr> steps) : steps_(std::move(steps)) {}
  void apply(std::vector<std::string>& tokens) const override {
    for (const auto& step : steps_) step->apply(tokens);
  }

 private:
  std::vector<DecoderPtr> steps_;
};

}  // namespace

std::string TokenDecoder::decode(std::span<const std::string_view> tokens) const {
  std::vector<std::string> parts(tokens.begin(), tokens.end());
  apply(parts);
  std::string text;
  for (const std::string& part : parts) text += part;
  return text;
}

int byte_of_piece(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece.back() != '>') return -1;
  int byte = 0;
  const auto [end, error] = std::from_chars(piece.data() + 3, piece.data() + 5, byte, 16);
  return error == std::errc() && end == piece.data() + 5 && byte >= 0 ? byte : -1;
}

DecoderPtr spaced_decoder() { return std::make_unique<Spaced>(); }
DecoderPtr fuse_decoder() { return std::make_unique<Fuse>(); }
DecoderPtr word_piece_decoder(std::string prefix, bool cleanup) {
  return std::make_unique<WordPieceDecoder>(std::move(prefix), cleanup);
}
DecoderPtr replace_decoder(std::string pattern, std::string content) {
  HEED_ASSERT(!pattern.empty());
  return std::make_unique<ReplaceDecoder>(std::move(pattern), std::move(content));
}
DecoderPtr replace_decoder(Regex pattern, std::string content) {
  return std::make_unique<ReplaceMatchesDecoder>(std::move(pattern), std::move(content));
}
DecoderPtr bpe_decoder(std::string suffix) {
  HEED_ASSERT(!suffix.empty());
  return std::make_unique<BpeDecoder>(std::move(suffix));
}
DecoderPtr ctc_decoder(const CtcOptions& options) {
  HEED_ASSERT(!options.pad.empty() && !options.word_delimiter.empty());
  return std::make_unique<CtcDecoder>(options);
}
DecoderPtr strip_decoder(std::string content, int32_t start, int32_t stop) {
  HEED_ASSERT(!content.empty());
  return std::make_unique<StripDecoder>(std::move(content), start, stop);
}
DecoderPtr byte_fallback_decoder() { return std::make_unique<ByteFallback>(); }
DecoderPtr metaspace_decoder(std::string replacement, bool drop_first) {
  HEED_ASSERT(!replacement.empty());
  return std::make_unique<MetaspaceDecoder>(std::move(replacement), drop_first);
}
DecoderPtr sequence_decoder(std::vector<DecoderPtr> steps) {
  return std::make_unique<DecoderSequence>(std::move(steps));
}

}  // namespace heed
