#include "heed/tasks/names.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "heed/base/error.h"
#include "heed/base/log.h"
#include "heed/io/hub.h"
#include "heed/models/heads.h"
#include "heed/models/registry.h"
#include "heed/tasks/classify.h"

namespace heed {
namespace {

constexpr std::array<std::string_view, 5> kAggregations = {"none", "simple", "first", "average",
                                                           "max"};
constexpr std::string_view kOutside = "O";

/// "B" and "location" of "B-location"; a label of another form is a kind that goes on.
std::pair<std::string_view, std::string_view> parts_of(std::string_view label) {
  if (label.starts_with("B-")) return {"B", label.substr(2)};
  if (label.starts_with("I-")) return {"I", label.substr(2)};
  return {"I", label};
}

}  // namespace

/// A piece, or several as one, with its tag.
struct NameFinder::Piece {
  std::vector<int32_t> ids;
  std::vector<float> scores;  // of each label
  size_t label = 0;
  float score = 0;
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
  finder.labels_ = read_labels(ConfigReader::open(folder / "config.json"));
  finder.model_ = load_head(folder, HeadTask::tag);
  finder.tokenizer_ = Tokenizer::load(folder);
  return finder;
}

std::vector<NameFinder::Piece> NameFinder::pieces_of(std::string_view text,
                                                     const Encoding& encoding,
                                                     const Tensor& logits) const {
  const bool by_blanks = tokenizer_->kind() != "WordPiece";
  std::vector<Piece> pieces;
  for (size_t i = 0; i < encoding.ids.size(); ++i) {
    if (encoding.special[i]) continue;
    const size_t classes = labels_.size();
    Piece piece{.ids = {encoding.ids[i]},
                .scores = softmax_of(logits.span<float>().subspan(i * classes, classes)),
                .chars = encoding.offsets[i],
                .bytes = encoding.byte_offsets[i]};
    const auto start = static_cast<size_t>(piece.bytes.start);
    if (by_blanks) {  // a byte-level piece begins a word where a blank is before it or in it
      piece.goes_on = start > 0 && text[start - 1] != ' ' && text[start] != ' ';
    } else {
      piece.goes_on = encoding.tokens[i].starts_with("##");
    }
    piece.choose();
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

NameFinder::Piece NameFinder::word_of(const Piece* first, const Piece* last,
                                      Aggregation aggregation) const {
  Piece word = *first;
  for (const Piece* piece = first + 1; piece != last; ++piece) {
    word.ids.insert(word.ids.end(), piece->ids.begin(), piece->ids.end());
    if (aggregation == Aggregation::average) {
      std::ranges::transform(word.scores, piece->scores, word.scores.begin(), std::plus{});
    } else if (aggregation == Aggregation::max && piece->score > word.score) {
      word.scores = piece->scores;
      word.choose();
    }
  }
  if (aggregation == Aggregation::average) {
    for (float& score : word.scores) score /= static_cast<float>(last - first);
    word.choose();
  }
  word.chars.end = (last - 1)->chars.end;
  word.bytes.end = (last - 1)->bytes.end;
  return word;
}

std::vector<NameFinder::Piece> NameFinder::words_of(const std::vector<Piece>& pieces,
                                                    Aggregation aggregation) const {
  std::vector<Piece> words;
  for (size_t begin = 0; begin < pieces.size();) {
    size_t end = begin + 1;
    while (end < pieces.size() && pieces[end].goes_on) ++end;
    words.push_back(word_of(&pieces[begin], pieces.data() + end, aggregation));
    begin = end;
  }
  return words;
}

FoundName NameFinder::name_of(const Piece* first, const Piece* last) const {
  FoundName name{.kind = std::string(parts_of(labels_[first->label]).second),
                 .score = 0,
                 .word = {},
                 .chars = {first->chars.start, (last - 1)->chars.end},
                 .bytes = {first->bytes.start, (last - 1)->bytes.end}};
  std::vector<int32_t> ids;
  for (const Piece* piece = first; piece != last; ++piece) {
    ids.insert(ids.end(), piece->ids.begin(), piece->ids.end());
    name.score += piece->score / static_cast<float>(last - first);
  }
  name.word = tokenizer_->decode(ids);
  return name;
}

std::vector<FoundName> NameFinder::operator()(std::string_view text,
                                              Aggregation aggregation) const {
  const int64_t most = model_->encoder().facts().max_tokens;
  const Encoding encoding = tokenizer_->encode(text, {.max_tokens = most});
  if (encoding.truncated) {
    log(LogLevel::warning,
        fmt::format("ner: a text was longer than the {} tokens that the model reads and was cut",
                    most));
  }
  const Tensor logits = model_->logits(EncoderInput::from_rows({encoding.ids}));  // [1, T, N]
  std::vector<Piece> parts = pieces_of(text, encoding, logits);
  const bool whole_words = aggregation != Aggregation::none && aggregation != Aggregation::simple;
  if (whole_words) parts = words_of(parts, aggregation);
  std::vector<FoundName> names;
  for (size_t begin = 0; begin < parts.size();) {
    size_t end = begin + 1;
    const auto goes_on = [&] {
      const auto [how, kind] = parts_of(labels_[parts[end].label]);
      return how != "B" && kind == parts_of(labels_[parts[end - 1].label]).second;
    };
    while (aggregation != Aggregation::none && end < parts.size() && goes_on()) ++end;
    const std::string& label = labels_[parts[begin].label];
    if (label != kOutside) {
      names.push_back(name_of(&parts[begin], parts.data() + end));
      if (aggregation == Aggregation::none) names.back().kind = label;
    }
    begin = end;
  }
  return names;
}

}  // namespace heed
