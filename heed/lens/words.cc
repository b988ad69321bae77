#include "heed/lens/words.h"

#include <utf8proc.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "heed/base/error.h"
#include "heed/lens/labels.h"
#include "heed/text/unicode.h"

namespace heed {
namespace {

std::string lower(const std::string& text) {
  utf8proc_uint8_t* folded = nullptr;
  const auto size = utf8proc_map(
      reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
      static_cast<utf8proc_ssize_t>(text.size()), &folded,
      static_cast<utf8proc_option_t>(UTF8PROC_CASEFOLD | UTF8PROC_STABLE | UTF8PROC_COMPOSE));
  if (size < 0) return text;
  std::string out(reinterpret_cast<const char*>(folded), static_cast<size_t>(size));
  std::free(folded);
  return out;
}

std::string_view slice(std::string_view text, int64_t begin, int64_t end) {
  const auto size = static_cast<int64_t>(text.size());
  begin = std::clamp<int64_t>(begin, 0, size);
  end = std::clamp<int64_t>(end, begin, size);
  return text.substr(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
}

// [outer, T, C] as [outer, W, C]: the rows of a word's pieces averaged.
Tensor mean_rows(const Tensor& rows, const std::vector<Word>& words) {
  const int64_t outer = rows.size(0);
  const int64_t width = rows.size(2);
  const Tensor out = Tensor::zeros({outer, static_cast<int64_t>(words.size()), width});
  for (int64_t o = 0; o < outer; ++o) {
    for (size_t w = 0; w < words.size(); ++w) {
      const Span& pieces = words[w].pieces;
      float* sum = &out.at({o, static_cast<int64_t>(w), 0});
      for (int64_t t = pieces.start; t < pieces.end; ++t) {
        const float* row = &rows.at({o, t, 0});
        for (int64_t c = 0; c < width; ++c) sum[c] += row[c];
      }
      const auto count = static_cast<float>(pieces.end - pieces.start);
      for (int64_t c = 0; c < width; ++c) sum[c] /= count;
    }
  }
  return out;
}

constexpr std::string_view kSpaces = " \t\n\r";

/// What the texts write for a word's pieces.
std::string_view said(const Encoding& encoding, const Word& word, std::string_view text,
                      std::string_view second) {
  const auto first = static_cast<size_t>(word.pieces.start);
  const auto last = static_cast<size_t>(word.pieces.end) - 1;
  return slice(word.text == 1 ? second : text, encoding.byte_offsets[first].start,
               encoding.byte_offsets[last].end);
}

/// That, or the vocabulary's name where the texts write nothing.
std::string name_of(const Encoding& encoding, const Word& word, std::string_view text,
                    std::string_view second) {
  const std::string_view written = said(encoding, word, text, second);
  std::string name = word_label(written);
  if (name.empty()) name = visible_token(written);
  return name.empty() ? encoding.tokens[static_cast<size_t>(word.pieces.start)] : name;
}

bool continues(char byte) { return (static_cast<unsigned char>(byte) & 0xC0) == 0x80; }

/// Letters that are written without spaces between words, each a word or so.
bool is_ideograph(utf8proc_int32_t point) {
  return (point >= 0x2E80 && point <= 0x9FFF) || (point >= 0xF900 && point <= 0xFAFF) ||
         (point >= 0x20000 && point <= 0x3FFFF);
}

/// The text's first character; -1 where it is none, because it was cut.
utf8proc_int32_t first_point(std::string_view text) {
  utf8proc_int32_t point = -1;
  const auto* bytes = reinterpret_cast<const utf8proc_uint8_t*>(text.data());
  utf8proc_iterate(bytes, static_cast<utf8proc_ssize_t>(text.size()), &point);
  return point;
}

/// A letter, a mark or a digit.
bool stands_in_words(utf8proc_int32_t point) {
  const auto kind = utf8proc_category(point);
  return kind >= UTF8PROC_CATEGORY_LU && kind <= UTF8PROC_CATEGORY_NO;
}

/// Whether the text's first character is one, but no ideograph. Where it was cut, its first byte
/// alone tells: those up to U+1FFF are, as a rule, but for the signs up to U+00BF.
bool begins_in_word(std::string_view text) {
  const auto first = static_cast<unsigned char>(text.front());
  if (unfinished_utf8(text) == text.size()) return first >= 0xC3 && first <= 0xE1;
  const utf8proc_int32_t point = first_point(text);
  return stands_in_words(point) && !is_ideograph(point);
}

bool has_letters(std::string_view text) {
  for (size_t at = 0; at < text.size(); ++at) {
    if (stands_in_words(first_point(text.substr(at)))) return true;
  }
  return false;
}

/// Whether a piece goes on with the word of the one before it.
bool same_word(std::string_view text, const Span& before, const Span& at) {
  // pieces of one character's bytes may all stand for the whole of it
  if (at.start < before.end || (at.start == before.end && at.end == at.start)) return true;
  const std::string_view between = slice(text, before.end, at.start);
  if (between.find_first_of(kSpaces) != std::string_view::npos) return false;
  const std::string_view last = slice(text, before.start, before.end);
  return last.find_first_not_of(kSpaces) == std::string_view::npos ||
         goes_on(slice(text, 0, before.end), slice(text, at.start, at.end));
}

/// Whether white space stands between other characters and each piece is a character, which no
/// other shares (as a character's bytes do): the tokenizer knows no words.
bool of_characters(const Encoding& encoding, const Word& word, std::string_view said) {
  const size_t begin = said.find_first_not_of(kSpaces);
  if (begin == std::string_view::npos) return false;
  const size_t end = said.find_last_not_of(kSpaces);
  if (said.substr(begin, end - begin).find_first_of(kSpaces) == std::string_view::npos)
    return false;
  int64_t reached = 0;
  for (int64_t i = word.pieces.start; i < word.pieces.end; ++i) {
    const Span& one = encoding.offsets[static_cast<size_t>(i)];
    if (one.end - one.start > 1 || one.start < reached) return false;
    reached = one.end;
  }
  return true;
}

/// A tokenizer's word as words that end at signs; what is signs alone stays whole, and each
/// character of a tokenizer that knows no words stands alone.
std::vector<Word> parts_of(const Encoding& encoding, const Word& word, std::string_view text) {
  const auto& at = encoding.byte_offsets;
  const auto first = static_cast<size_t>(word.pieces.start);
  const auto last = static_cast<size_t>(word.pieces.end) - 1;
  const std::string_view said = slice(text, at[first].start, at[last].end);
  if (!has_letters(said)) return {word};
  const bool alone = of_characters(encoding, word, said);
  std::vector<Word> parts{{"", {word.pieces.start, word.pieces.start + 1}, false, word.text}};
  for (size_t i = first + 1; i <= last; ++i) {
    const auto piece = static_cast<int64_t>(i);
    if (!alone && same_word(text, at[i - 1], at[i])) {
      parts.back().pieces.end = piece + 1;
    } else {
      parts.push_back({"", {piece, piece + 1}, false, word.text});
    }
  }
  return parts;
}

Shape with_last(const Shape& shape, int64_t rows, int64_t columns) {
  Shape out = shape;
  out[-2] = rows;
  out[-1] = columns;
  return out;
}

}  // namespace

std::vector<std::string> token_names(const Encoding& encoding, std::string_view text,
                                     std::string_view second) {
  std::vector<std::string> names;
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    const Word token{"", {at, at + 1}, encoding.special[i], encoding.type_ids[i]};
    names.push_back(token.special ? encoding.tokens[i] : name_of(encoding, token, text, second));
  }
  return names;
}

std::vector<Word> group_words(const Encoding& encoding, std::string_view text,
                              std::string_view second) {
  std::vector<Word> words;
  int32_t open = -1;  // index of the word being collected, within its text
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    const int type = encoding.type_ids[i];
    const bool special = encoding.special[i];
    const int32_t index = encoding.words[i];
    const bool goes_on = !special && index >= 0 && index == open && !words.back().special &&
                         words.back().text == type;
    if (goes_on) {
      words.back().pieces.end = at + 1;
    } else {
      words.push_back({special ? encoding.tokens[i] : "", {at, at + 1}, special, type});
    }
    open = special ? -1 : index;
  }
  std::vector<Word> named;
  for (Word& word : words) {
    if (word.special) {
      named.push_back(std::move(word));
      continue;
    }
    for (Word& part : parts_of(encoding, word, word.text == 1 ? second : text)) {
      part.name = name_of(encoding, part, text, second);
      named.push_back(std::move(part));
    }
  }
  return named;
}

bool goes_on(std::string_view text, std::string_view piece) {
  if (text.empty() || piece.empty()) return false;
  if (continues(piece.front())) return true;  // a character that was cut
  size_t last = text.size() - 1;
  while (last > 0 && continues(text[last])) --last;
  return begins_in_word(text.substr(last)) && begins_in_word(piece);
}

void split_at_signs(Encoding& encoding, std::string_view text) {
  int32_t word = -1;
  const Span* before = nullptr;  // the piece before, where a word can go on
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    if (encoding.special[i]) {
      encoding.words[i] = -1;
      before = nullptr;
      continue;
    }
    const Span& at = encoding.byte_offsets[i];
    const bool same = before != nullptr && same_word(text, *before, at);
    encoding.words[i] = same ? word : ++word;
    before = &at;
  }
}

std::vector<Word> single_pieces(const Encoding& encoding) {
  std::vector<Word> words;
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    words.push_back({encoding.tokens[i], {at, at + 1}, encoding.special[i], encoding.type_ids[i]});
  }
  return words;
}

Tensor to_words(const Tensor& weights, const std::vector<Word>& rows,
                const std::vector<Word>& columns) {
  const auto height = std::ssize(rows), width = std::ssize(columns);
  const Tensor means =
      mean_rows(weights.contiguous().reshape({-1, weights.size(-2), weights.size(-1)}), rows);
  const Tensor out = Tensor::zeros({means.size(0), height, width});
  for (int64_t o = 0; o < means.size(0); ++o) {
    for (int64_t r = 0; r < height; ++r) {
      const float* row = &means.at({o, r, 0});
      for (int64_t c = 0; c < width; ++c) {
        const Span& pieces = columns[static_cast<size_t>(c)].pieces;
        for (int64_t t = pieces.start; t < pieces.end; ++t) out.at({o, r, c}) += row[t];
      }
    }
  }
  return out.reshape(with_last(weights.shape(), height, width));
}

Tensor to_words(const Tensor& weights, const std::vector<Word>& words) {
  HEED_ASSERT(weights.size(-2) == weights.size(-1));
  return to_words(weights, words, words);
}

Tensor word_vectors(const Tensor& state, const std::vector<Word>& words) {
  const int64_t width = state.size(-1);
  const Tensor flat = state.contiguous().reshape({-1, state.size(-2), width});
  return mean_rows(flat, words)
      .reshape(with_last(state.shape(), static_cast<int64_t>(words.size()), width));
}

std::vector<int64_t> find_words(const std::vector<Word>& words, std::string_view name) {
  const std::string exact = clean_label(name);
  for (const bool fold : {false, true}) {
    const std::string wanted = fold ? lower(exact) : exact;
    std::vector<int64_t> found;
    for (size_t i = 0; i < words.size(); ++i) {
      if (words[i].special) continue;
      if ((fold ? lower(words[i].name) : words[i].name) == wanted) {
        found.push_back(static_cast<int64_t>(i));
      }
    }
    if (!found.empty()) return found;
  }
  return {};
}

WordChoice parse_word_choice(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon != std::string_view::npos && colon > 0) {
    int64_t occurrence = 0;
    const char* end = text.data() + text.size();
    const auto read = std::from_chars(text.data() + colon + 1, end, occurrence);
    if (read.ec == std::errc() && read.ptr == end && occurrence >= 1) {
      return {std::string(text.substr(0, colon)), occurrence};
    }
  }
  return {std::string(text), std::nullopt};
}

}  // namespace heed
