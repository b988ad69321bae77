#include "heed/search/highlight.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "heed/text/unicode.h"

namespace heed {
namespace {

constexpr size_t kOneIn = 5;

/// Words without scores.
std::vector<WordNear> words_in(std::string_view text) {
  std::vector<WordNear> words;
  const DecodedText decoded = decode_utf8(text);
  bool inside = false;
  for (size_t i = 0; i < decoded.chars.size(); ++i) {
    const char32_t c = decoded.chars[i];
    if (is_whitespace(c)) inside = false;
    if (!is_word(c)) continue;
    const Span at{decoded.byte_starts[i], decoded.byte_starts[i + 1]};
    if (!inside) words.push_back({at, -std::numeric_limits<float>::infinity()});
    words.back().bytes.end = at.end;  // what stands between (an apostrophe, say) belongs to it
    inside = true;
  }
  return words;
}

}  // namespace

std::vector<WordNear> words_near(const Embedder& embedder, std::string_view text,
                                 std::span<const float> query) {
  const Encoding encoding =
      embedder.tokenizer().encode(text, {.max_tokens = embedder.max_tokens()});
  const Tensor vectors = embedder.token_vectors(encoding.ids);
  const auto width = static_cast<size_t>(vectors.size(1));
  std::vector<WordNear> words = words_in(text);
  auto word = words.begin();
  for (size_t t = 0; t < encoding.ids.size() && word != words.end(); ++t) {
    if (encoding.special[t]) continue;
    const Span at = encoding.byte_offsets[t];
    while (word != words.end() && word->bytes.end <= at.start) ++word;
    if (word == words.end() || at.end <= word->bytes.start) continue;
    float score = 0;
    const auto vector = vectors.span<float>().subspan(t * width, width);
    for (size_t c = 0; c < width; ++c) score += vector[c] * query[c];
    word->score = std::max(word->score, score);
  }
  std::erase_if(words, [](const WordNear& one) { return !std::isfinite(one.score); });
  return words;
}

std::vector<Span> words_to_show(std::vector<WordNear> words) {
  if (words.empty()) return {};
  double sum = 0, squares = 0;
  for (const WordNear& word : words) {
    sum += word.score;
    squares += static_cast<double>(word.score) * word.score;
  }
  const auto count = static_cast<double>(words.size());
  const double mean = sum / count;
  const double least = mean + std::sqrt(std::max(0.0, squares / count - mean * mean));
  const size_t most = std::max<size_t>(1, words.size() / kOneIn);
  std::ranges::stable_sort(words, std::ranges::greater{}, &WordNear::score);
  std::vector<Span> shown;
  for (const WordNear& word : words) {
    if (shown.size() == most || (!shown.empty() && word.score < least)) break;
    shown.push_back(word.bytes);
  }
  std::ranges::sort(shown, {}, &Span::start);
  return shown;
}

}  // namespace heed
