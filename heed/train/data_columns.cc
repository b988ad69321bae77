#include "heed/train/data_columns.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "heed/base/error.h"
#include "heed/base/file.h"
#include "heed/base/message.h"
#include "heed/io/csv.h"
#include "heed/ops/cross_entropy.h"
#include "heed/text/unicode.h"

namespace heed {
namespace {

constexpr std::string_view kOutside = "O";
constexpr std::string_view kBlanks = " \t";

/// The first and the last column of a line; the same if there is but one.
std::pair<std::string_view, std::string_view> ends_of(std::string_view line) {
  const bool tabs = line.find('\t') != std::string_view::npos;
  const std::string_view between = tabs ? "\t" : kBlanks;
  const size_t first = line.find_first_of(between);
  const size_t last = line.find_last_of(between);
  if (first == std::string_view::npos) return {line, line};
  return {line.substr(0, first), line.substr(last + 1)};
}

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

bool is_tag(std::string_view tag) {
  return tag == kOutside || (tag.size() > 2 && tag[1] == '-' &&
                             std::string_view("BIES").find(tag[0]) != std::string::npos);
}

/// What is wrong with a line; empty if nothing.
std::string fault_of(std::string_view line, std::string_view word, std::string_view tag) {
  if (word.data() == tag.data()) return "needs a word and its tag, found one column";
  if (word.find_first_not_of(kBlanks) == std::string_view::npos) return "the word is empty";
  if (!is_valid_utf8(line)) return "must be UTF-8";
  if (is_tag(tag)) return "";
  return fmt::format("the tag must be O or B-, I-, E-, S- and a kind but is {}", in_quotes(tag));
}

class Sentences {
 public:
  void add(std::string_view word, std::string_view tag, int64_t line) {
    if (now_.words.empty()) now_.line = line;
    now_.words.emplace_back(word);
    now_.tags.emplace_back(tag);
  }
  void spoil() { spoiled_ = true; }
  void end() {
    if (!spoiled_ && !now_.words.empty()) all_.push_back(std::move(now_));
    now_ = {};
    spoiled_ = false;
  }
  std::vector<TaggedSentence> take() {
    end();
    return std::move(all_);
  }

 private:
  std::vector<TaggedSentence> all_;
  TaggedSentence now_;
  bool spoiled_ = false;
};

}  // namespace

std::vector<TaggedSentence> parse_columns(std::string_view content, const std::string& where,
                                          BadRows& bad) {
  Sentences sentences;
  int64_t number = 0;
  for (const std::string_view line : lines_of(content)) {
    ++number;
    const std::string_view text = trimmed(line);
    if (text.empty() || text.starts_with("-DOCSTART-")) {
      sentences.end();
      continue;
    }
    const auto [word, tag] = ends_of(text);
    const std::string fault = fault_of(text, word, tag);
    if (fault.empty()) {
      sentences.add(word, tag, number);
    } else {
      bad.report(where, number, fault);
      sentences.spoil();
    }
  }
  return sentences.take();
}

std::vector<TaggedSentence> read_columns(const std::filesystem::path& path, BadRows& bad) {
  return parse_columns(read_file(path), path.string(), bad);
}

LabelNames tags_of(const std::vector<TaggedSentence>& sentences, const std::string& where) {
  std::set<std::string> seen;
  for (const TaggedSentence& sentence : sentences)
    seen.insert(sentence.tags.begin(), sentence.tags.end());
  seen.erase(std::string(kOutside));
  if (seen.empty()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("{}: no name is tagged in {}", where,
                            counted(std::ssize(sentences), "sentence")));
  }
  std::vector<std::string> names{std::string(kOutside)};
  names.insert(names.end(), seen.begin(), seen.end());
  return LabelNames(std::move(names));
}

TaggedTokens align_tags(const TaggedSentence& sentence, const Tokenizer& tokenizer,
                        const LabelNames& tags, int64_t max_tokens) {
  std::string text;
  std::vector<int64_t> ends;  // of each word in the text, in bytes
  for (const std::string& word : sentence.words) {
    if (!text.empty()) text += ' ';
    text += word;
    ends.push_back(static_cast<int64_t>(text.size()));
  }
  Encoding encoding = tokenizer.encode(text, {.max_tokens = max_tokens});
  TaggedTokens tokens{.ids = std::move(encoding.ids), .targets = {}};
  tokens.targets.assign(tokens.ids.size(), kNoTarget);
  int64_t last = -1;
  for (size_t i = 0; i < tokens.ids.size(); ++i) {
    const Span span = encoding.byte_offsets[i];
    if (encoding.special[i] || span.start == span.end) continue;
    // the last byte decides: a piece may begin with the blank before its word
    const int64_t word = std::ranges::lower_bound(ends, span.end) - ends.begin();
    if (word == last || word == static_cast<int64_t>(ends.size())) continue;
    last = word;
    const std::string& tag = sentence.tags[static_cast<size_t>(word)];
    const auto id = tags.find(tag);
    if (!id) {
      throw Error(ErrorCode::invalid_argument,
                  fmt::format("line {}: the tag {} is none of the model's: {}", sentence.line,
                              in_quotes(tag), listed(tags.names())));
    }
    tokens.targets[i] = *id;
  }
  return tokens;
}

}  // namespace heed
