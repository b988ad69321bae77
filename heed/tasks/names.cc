#include "heed/tasks/names.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "heed/base/error.h"
#include "heed/io/hub.h"
#include "heed/models/heads.h"
#include "heed/tasks/batches.h"
#include "heed/tasks/classify.h"
#include "heed/text/characters.h"

namespace heed {
namespace {

constexpr std::array<std::string_view, 5> kAggregations = {"none", "simple", "first", "average",
                                                           "max"};

/// 'B' and "location" of "B-location"; a label of another form is a kind that goes on.
std::pair<char, std::string_view> parts_of(std::string_view label, std::string_view prefixes) {
  const bool tagged =
      label.size() > 1 && label[1] == '-' && prefixes.find(label[0]) != prefixes.npos;
  return tagged ? std::pair(label[0], label.substr(2)) : std::pair('I', label);
}

/// What a name is called: the label behind its first hyphen.
std::string kind_of(std::string_view label) {
  return std::string(label.substr(label.find('-') + 1));
}

/// The letters of the scheme that the labels are of: BIOES and BILOU mark a name's end too, beside
/// a B of the same kind.
std::string_view prefixes_of(const std::vector<std::string>& labels) {
  constexpr std::string_view kBothEnds = "BIESLU";
  for (const std::string& label : labels) {
    const auto [how, kind] = parts_of(label, "ESLU");
    if (how == 'I') continue;
    if (std::ranges::find(labels, "B-" + std::string(kind)) != labels.end()) return kBothEnds;
  }
  return "BI";
}

/// Of names from overlapping windows that overlap, the longest; of equally long ones the surest.
std::vector<FoundName> without_overlaps(std::vector<FoundName> names) {
  std::ranges::stable_sort(names, {}, [](const FoundName& name) { return name.chars.start; });
  std::vector<FoundName> kept;
  for (FoundName& name : names) {
    if (kept.empty() || name.chars.start >= kept.back().chars.end) {
      kept.push_back(std::move(name));
      continue;
    }
    const auto rank = [](const FoundName& n) {
      return std::pair(n.chars.end - n.chars.start, n.score);
    };
    if (rank(name) > rank(kept.back())) kept.back() = std::move(name);
  }
  return kept;
}

}  // namespace

/// A piece, or several as one, with its tag.
struct NameFinder::Piece {
  std::string word;
  std::vector<float> scores;  // of each label
  size_t label = 0;
  float score = 0;
  int64_t index = 0;
  Span chars;
  Span bytes;
  bool goes_on = false;  // it belongs to the word before it

  void choose() {
    const auto best = std::ranges::max_element(scores);
    label = static_cast<size_t>(best - scores.begin());
    score = *best;
  }
};

Aggregation aggregation_from_name(std::string_view name) {
  const auto found = std::ranges::find(kAggregations, name);
  if (found == kAggregations.end()) {
    throw Error(ErrorCode::invalid_argument, fmt::format("aggregation: must be one of {} but is {}",
                                                         fmt::join(kAggregations, ", "), name));
  }
  return static_cast<Aggregation>(found - kAggregations.begin());
}

NameFinder NameFinder::load(std::string_view name_or_path) {
  const std::filesystem::path folder = find_model(name_or_path);
  NameFinder finder;
  finder.model_ = load_head(folder, HeadTask::tag);
  finder.labels_ = read_labels(ConfigReader::open(folder / "config.json"));
  finder.prefixes_ = prefixes_of(finder.labels_);
  finder.tokenizer_ = Tokenizer::load(folder);
  finder.word_pieces_ = finder.tokenizer_->kind() == "WordPiece";
  for (const char* unknown : {"<unk>", "[UNK]"}) {
    if (const auto id = finder.tokenizer_->id_of(unknown)) finder.unknown_id_ = id;
  }
  return finder;
}

/// As the pipeline decides which pieces go on a word: of WordPiece by a length that is not the
/// text's ("##ing", but also what the normaliser made longer or shorter), else by blanks.
std::vector<NameFinder::Piece> NameFinder::pieces_of(std::string_view text,
                                                     const Encoding& encoding,
                                                     std::span<const float> logits) const {
  const size_t classes = labels_.size();
  std::vector<Piece> pieces;
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    if (encoding.special[i]) continue;
    Piece piece{.word = encoding.tokens[i],
                .scores = softmax_of(logits.subspan(i * classes, classes)),
                .index = static_cast<int64_t>(i),
                .chars = encoding.offsets[i],
                .bytes = encoding.byte_offsets[i]};
    const auto start = static_cast<size_t>(piece.bytes.start);
    const auto end = static_cast<size_t>(piece.bytes.end);
    if (word_pieces_) {
      piece.goes_on = count_characters(piece.word) != piece.chars.end - piece.chars.start;
    } else {
      piece.goes_on =
          start > 0 && text[start - 1] != ' ' && (start == text.size() || text[start] != ' ');
    }
    if (encoding.ids[i] == unknown_id_) {
      piece.word = text.substr(start, end - start);
      piece.goes_on = false;
    }
    piece.choose();
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

NameFinder::Piece NameFinder::word_of(std::span<const Piece> pieces,
                                      Aggregation aggregation) const {
  Piece word = pieces[0];
  std::vector<std::string> parts;
  for (const Piece& piece : pieces) parts.push_back(piece.word);
  for (const Piece& piece : pieces.subspan(1)) {
    if (aggregation == Aggregation::average) {
      std::ranges::transform(word.scores, piece.scores, word.scores.begin(), std::plus{});
    } else if (aggregation == Aggregation::max && piece.score > word.score) {
      word.scores = piece.scores;
      word.choose();
    }
  }
  if (aggregation == Aggregation::average) {
    for (float& score : word.scores) score /= static_cast<float>(pieces.size());
    word.choose();
  }
  word.word = tokenizer_->join(parts);
  word.chars.end = pieces.back().chars.end;
  word.bytes.end = pieces.back().bytes.end;
  return word;
}

std::vector<NameFinder::Piece> NameFinder::words_of(const std::vector<Piece>& pieces,
                                                    Aggregation aggregation) const {
  std::vector<Piece> words;
  for (size_t begin = 0; begin < pieces.size();) {
    size_t end = begin + 1;
    while (end < pieces.size() && pieces[end].goes_on) ++end;
    words.push_back(word_of(std::span(pieces).subspan(begin, end - begin), aggregation));
    begin = end;
  }
  return words;
}

FoundName NameFinder::name_of(std::span<const Piece> pieces) const {
  FoundName name{.kind = kind_of(labels_[pieces[0].label]),
                 .score = 0,
                 .word = {},
                 .index = pieces[0].index,
                 .chars = {pieces[0].chars.start, pieces.back().chars.end},
                 .bytes = {pieces[0].bytes.start, pieces.back().bytes.end}};
  std::vector<std::string> words;
  for (const Piece& piece : pieces) {
    words.push_back(piece.word);
    name.score += piece.score / static_cast<float>(pieces.size());
  }
  name.word = tokenizer_->join(words);
  return name;
}

bool NameFinder::goes_on(size_t before, size_t label) const {
  const auto [ended, kind_before] = parts_of(labels_[before], prefixes_);
  const auto [how, kind] = parts_of(labels_[label], prefixes_);
  const bool begins = how == 'B' || how == 'S' || how == 'U';
  const bool is_last = ended == 'E' || ended == 'S' || ended == 'L' || ended == 'U';
  return !begins && !is_last && kind == kind_before;
}

std::vector<FoundName> NameFinder::names_in(std::string_view text, const Encoding& encoding,
                                            std::span<const float> logits,
                                            const NameOptions& options) const {
  const bool alone = options.aggregation == Aggregation::none;
  std::vector<Piece> parts = pieces_of(text, encoding, logits);
  if (!alone && options.aggregation != Aggregation::simple) {
    parts = words_of(parts, options.aggregation);
  }
  std::vector<FoundName> names;
  for (size_t begin = 0; begin < parts.size();) {
    size_t end = begin + 1;
    while (!alone && end < parts.size() && goes_on(parts[end - 1].label, parts[end].label)) ++end;
    FoundName name = name_of(std::span(parts).subspan(begin, end - begin));
    if (alone) {
      name.kind = labels_[parts[begin].label];
      name.word = parts[begin].word;
    }
    if (std::ranges::find(options.ignore, name.kind) == options.ignore.end()) {
      names.push_back(std::move(name));
    }
    begin = end;
  }
  return names;
}

std::vector<std::vector<Encoding>> NameFinder::windows_of(std::span<const std::string> texts,
                                                          const NameOptions& options) const {
  const int64_t reads = model_->encoder().facts().max_tokens;
  const int64_t most = std::min(options.max_tokens.value_or(reads), reads);
  std::vector<std::vector<Encoding>> windows;
  if (options.stride) {
    if (options.aggregation == Aggregation::none) {
      throw Error(ErrorCode::invalid_argument,
                  "ner: a stride joins names of several windows, which aggregation none does not");
    }
    for (const std::string& text : texts) {
      windows.push_back(
          tokenizer_->encode_windows(text, {.max_tokens = most, .stride = *options.stride}));
      need_tokens(windows.back().front().ids, text, "ner");
    }
    return windows;
  }
  for (Encoding& encoding : encode_texts(*tokenizer_, texts, most, "ner", options.notes)) {
    windows.push_back({std::move(encoding)});
  }
  return windows;
}

std::vector<std::vector<FoundName>> NameFinder::operator()(std::span<const std::string> texts,
                                                           const NameOptions& options) const {
  const std::vector<std::vector<Encoding>> windows = windows_of(texts, options);
  std::vector<Encoding> all;
  std::vector<size_t> text_of;
  for (size_t text = 0; text < texts.size(); ++text) {
    all.insert(all.end(), windows[text].begin(), windows[text].end());
    text_of.insert(text_of.end(), windows[text].size(), text);
  }
  std::vector<std::vector<FoundName>> found(all.size());  // in each window
  int64_t done = 0;
  in_batches(lengths_of(all), options.batch, [&](std::span<const size_t> rows) {
    const Tensor logits = model_->logits(input_of(all, rows, model_->encoder().facts()));
    const auto row_size = static_cast<size_t>(logits.size(1) * logits.size(2));  // T N
    for (size_t b = 0; b < rows.size(); ++b) {
      found[rows[b]] = names_in(texts[text_of[rows[b]]], all[rows[b]],
                                logits.span<float>().subspan(b * row_size, row_size), options);
    }
    done += std::ssize(rows);
    if (options.progress) options.progress(done, std::ssize(all));
  });
  std::vector<std::vector<FoundName>> names(texts.size());
  for (size_t i = 0; i < all.size(); ++i) {
    std::ranges::move(found[i], std::back_inserter(names[text_of[i]]));
  }
  for (size_t text = 0; text < texts.size(); ++text) {
    if (windows[text].size() > 1) names[text] = without_overlaps(std::move(names[text]));
  }
  return names;
}

}  // namespace heed
