#include "heed/tasks/chunks.h"

#include <algorithm>
#include <string>

#include "heed/base/error.h"
#include "heed/text/unicode.h"

namespace heed {
namespace {

/// Bytes tokenised at once, up to the next white space: tokens cost a hundred times their bytes.
constexpr size_t kBytesAtOnce = 1 << 16;
constexpr std::string_view kSpaces = " \t\n\v\f\r";

/// What no chunk is cut within, with the white space before it.
struct Word {
  int64_t end;    // byte behind its last
  int64_t start;  // its first byte
  int64_t tokens;
  bool ends_sentence;
};

bool is_space(char c) { return kSpaces.find(c) != std::string_view::npos; }

/// The end of the part that starts at `begin`: behind white space where there is some in time.
size_t part_end(std::string_view text, size_t begin) {
  if (text.size() - begin <= kBytesAtOnce) return text.size();
  const std::string_view part = text.substr(begin, kBytesAtOnce);
  const size_t space = part.find_last_of(kSpaces);
  if (space != std::string_view::npos && space > 0) return begin + space;
  return begin + kBytesAtOnce - unfinished_utf8(part);
}

/// Whether text[..end) ends as a sentence does: a full stop or the like, maybe closed by quotes or
/// brackets; or an empty line follows.
bool ends_sentence(std::string_view text, size_t end) {
  const size_t next = std::min(text.find_first_not_of(kSpaces, end), text.size());
  const std::string_view gap = text.substr(end, next - end);
  if (next == text.size() || std::ranges::count(gap, '\n') > 1) return true;
  std::string_view head = text.substr(0, end);
  for (bool closed = true; closed;) {
    closed = false;
    for (const std::string_view closing :
         {"\"", "'", ")", "]", "}", "\u201d", "\u2019", "\u00bb"}) {
      if (!head.ends_with(closing)) continue;
      head.remove_suffix(closing.size());
      closed = true;
    }
  }
  const auto stops = [&](std::initializer_list<std::string_view> marks) {
    return std::ranges::any_of(marks, [&](std::string_view mark) { return head.ends_with(mark); });
  };
  if (stops({"\u3002", "\uff01", "\uff1f"})) return true;  // these need no space behind them
  return !gap.empty() && stops({".", "!", "?", "\u2026"});
}

/// Adds the words of text[begin, end).
void add_words(const Tokenizer& tokenizer, std::string_view text, size_t begin, size_t end,
               int64_t most, std::vector<Word>* words) {
  const Encoding encoding =
      tokenizer.encode(text.substr(begin, end - begin), {.add_special = false});
  const auto base = static_cast<int64_t>(begin);
  bool open = false;  // the last word may go on
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    Span at = encoding.byte_offsets[i];
    at = {at.start + base, at.end + base};
    while (at.start < at.end && is_space(text[static_cast<size_t>(at.start)])) ++at.start;
    if (open && at.end <= words->back().end) {  // one more token of the same bytes
      ++words->back().tokens;
      continue;
    }
    if (open) {
      Word& last = words->back();
      const auto gap = text.substr(static_cast<size_t>(last.end),
                                   static_cast<size_t>(std::max(at.start - last.end, int64_t{0})));
      const bool other = encoding.words[i] != encoding.words[i - 1];
      const bool apart = gap.find_first_of(kSpaces) != std::string_view::npos;
      // texts without white space are cut between what the tokenizer takes for words
      if (!apart && last.tokens < (other ? std::max<int64_t>(1, most / 4) : most) &&
          !(other && ends_sentence(text, static_cast<size_t>(last.end)))) {
        last.end = at.end;
        ++last.tokens;
        continue;
      }
    }
    words->push_back({.end = at.end, .start = at.start, .tokens = 1, .ends_sentence = false});
    open = true;
  }
}

std::vector<Word> words_of(const Tokenizer& tokenizer, std::string_view text, int64_t most) {
  std::vector<Word> words;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = part_end(text, begin);
    add_words(tokenizer, text, begin, end, most, &words);
    begin = end;
  }
  std::erase_if(words, [](const Word& word) { return word.start >= word.end; });
  for (Word& word : words) word.ends_sentence = ends_sentence(text, static_cast<size_t>(word.end));
  return words;
}

/// The word behind the chunk that begins with word `begin` and goes beyond word `least`.
size_t chunk_end(const std::vector<Word>& words, size_t begin, size_t least, int64_t most) {
  size_t end = begin;
  int64_t tokens = 0;
  while (end < words.size() && tokens + words[end].tokens <= most) tokens += words[end++].tokens;
  end = std::max(end, begin + 1);
  if (end == words.size()) return end;
  for (size_t last = end; last > std::max(begin, least); --last) {
    if (words[last - 1].ends_sentence) return last;
  }
  return end;
}

/// Where the next chunk begins: as far before `end` as the overlap reaches, at the first sentence
/// that begins there if one does.
size_t next_begin(const std::vector<Word>& words, size_t begin, size_t end, int64_t overlap) {
  size_t next = end;
  int64_t tokens = 0;
  while (next > begin + 1 && tokens + words[next - 1].tokens <= overlap) {
    tokens += words[--next].tokens;
  }
  for (size_t at = next; at < end; ++at) {
    if (words[at - 1].ends_sentence) return at;
  }
  return words[end - 1].ends_sentence ? end : next;
}

/// Characters and lines up to a byte; bytes rise.
class Counter {
 public:
  explicit Counter(std::string_view text) : text_(text) {}
  void go_to(int64_t byte) {
    const auto part = text_.substr(static_cast<size_t>(byte_), static_cast<size_t>(byte - byte_));
    characters_ += static_cast<int64_t>(decode_utf8(part).chars.size());
    lines_ += std::ranges::count(part, '\n');
    byte_ = byte;
  }
  int64_t characters() const { return characters_; }
  int64_t line() const { return lines_ + 1; }

 private:
  std::string_view text_;
  int64_t byte_ = 0;
  int64_t characters_ = 0;
  int64_t lines_ = 0;
};

}  // namespace

std::vector<Chunk> cut_chunks(const Tokenizer& tokenizer, std::string_view text,
                              const ChunkOptions& options) {
  if (options.tokens < 1 || options.overlap < 0 || options.overlap > options.tokens / 2) {
    throw Error(ErrorCode::invalid_argument,
                "chunks: needed at least 1 token and an overlap of at most half of them, found " +
                    std::to_string(options.tokens) + " and " + std::to_string(options.overlap));
  }
  const std::vector<Word> words = words_of(tokenizer, text, options.tokens);
  std::vector<Chunk> chunks;
  Counter counter(text);
  for (size_t begin = 0, end = 0; begin < words.size();) {
    const size_t before = end;
    end = chunk_end(words, begin, before, options.tokens);
    const size_t alone = chunk_end(words, before, before, options.tokens);
    const bool breaks = before > 0 && words[before - 1].ends_sentence &&
                        words[alone - 1].ends_sentence && !words[end - 1].ends_sentence;
    if (end <= before || breaks) {
      begin = before;  // what is shared would leave no room for the next sentence
      end = alone;
    }
    Chunk chunk{.bytes = {words[begin].start, words[end - 1].end}, .characters = {}};
    counter.go_to(chunk.bytes.start);
    chunk.characters.start = counter.characters();
    chunk.line = counter.line();
    const auto length = static_cast<size_t>(chunk.bytes.end - chunk.bytes.start);
    const auto inside = text.substr(static_cast<size_t>(chunk.bytes.start), length);
    chunk.characters.end =
        chunk.characters.start + static_cast<int64_t>(decode_utf8(inside).chars.size());
    chunks.push_back(chunk);
    if (end == words.size()) break;
    begin = next_begin(words, begin, end, options.overlap);
  }
  return chunks;
}

}  // namespace heed
