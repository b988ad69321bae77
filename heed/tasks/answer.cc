#include "heed/tasks/answer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "heed/io/hub.h"
#include "heed/models/heads.h"
#include "heed/tasks/batches.h"
#include "heed/text/unicode.h"

namespace heed {
namespace {

/// The question and a part of the context, and which of its tokens an answer may be made of.
struct Window {
  Encoding encoding;
  std::vector<bool> in_context;
  std::vector<bool> counts;  // shares softmax: the context and "no answer"

  Window(Encoding given, size_t question_tokens, std::optional<int32_t> first_id)
      : encoding(std::move(given)) {
    size_t texts_tokens = 0;
    for (size_t i = 0; i < encoding.ids.size(); ++i) {
      const bool of_text = !encoding.special[i];
      in_context.push_back(of_text && texts_tokens >= question_tokens);
      counts.push_back(in_context[i] || encoding.ids[i] == first_id);
      texts_tokens += of_text ? 1 : 0;
    }
  }
};

/// softmax over the tokens that count; 0 for the others. logits: [T, 2], of which `column`.
std::vector<float> shares_of(const Window& window, std::span<const float> logits, size_t column) {
  const size_t tokens = window.counts.size();
  double highest = -std::numeric_limits<double>::infinity(), sum = 0;
  for (size_t t = 0; t < tokens; ++t) {
    if (window.counts[t]) highest = std::max<double>(highest, logits[2 * t + column]);
  }
  std::vector<float> shares(tokens);
  for (size_t t = 0; t < tokens; ++t) {
    if (window.counts[t]) sum += std::exp(logits[2 * t + column] - highest);
  }
  for (size_t t = 0; t < tokens; ++t) {
    if (!window.counts[t]) continue;
    shares[t] = static_cast<float>(std::exp(logits[2 * t + column] - highest) / sum);
  }
  return shares;
}

struct Candidate {
  float score;
  size_t start;  // first token
  size_t end;    // last token
};

std::vector<Candidate> best_spans(const Window& window, const std::vector<float>& starts,
                                  const std::vector<float>& ends, const AnswerOptions& options) {
  std::vector<Candidate> spans;
  const auto longest = static_cast<size_t>(options.max_answer_tokens);
  for (size_t start = 0; start < starts.size(); ++start) {
    if (!window.in_context[start]) continue;
    for (size_t end = start; end < std::min(starts.size(), start + longest); ++end) {
      const float score = starts[start] * ends[end];
      if (window.in_context[end] && score > 0) spans.push_back({score, start, end});
    }
  }
  auto count = std::min<std::ptrdiff_t>(options.top_k, std::ssize(spans));
  // several may be one answer once they are widened to words
  if (options.align_to_words) count = std::min<std::ptrdiff_t>(2 * count + 10, std::ssize(spans));
  std::partial_sort(spans.begin(), spans.begin() + count, spans.end(),
                    [](const Candidate& a, const Candidate& b) {
                      if (a.score != b.score) return a.score > b.score;
                      return std::pair(a.start, a.end) < std::pair(b.start, b.end);
                    });
  spans.resize(static_cast<size_t>(count));
  return spans;
}

/// The first and the last token of the word that a token of the context belongs to, as far as the
/// window has it.
std::pair<size_t, size_t> word_around(const Window& window, size_t token) {
  const auto same = [&](size_t other) {
    return window.in_context[other] && window.encoding.words[other] == window.encoding.words[token];
  };
  size_t first = token, last = token;
  while (first > 0 && same(first - 1)) --first;
  while (last + 1 < window.in_context.size() && same(last + 1)) ++last;
  return {first, last};
}

FoundAnswer answer_at(const Window& window, Candidate span, std::string_view context,
                      bool align_to_words) {
  if (align_to_words) {
    span.start = word_around(window, span.start).first;
    span.end = word_around(window, span.end).second;
  }
  const Encoding& tokens = window.encoding;
  FoundAnswer found{
      .score = span.score,
      .chars = {tokens.offsets[span.start].start, tokens.offsets[span.end].end},
      .bytes = {tokens.byte_offsets[span.start].start, tokens.byte_offsets[span.end].end},
      .text = {}};
  found.text = context.substr(static_cast<size_t>(found.bytes.start),
                              static_cast<size_t>(found.bytes.end - found.bytes.start));
  return found;
}

std::u32string lowered(std::string_view text) {
  std::u32string chars = decode_utf8(text).chars;
  for (char32_t& c : chars) c = simple_lower(c);
  return chars;
}

/// One text found twice, in overlapping windows say, is one answer.
class Answers {
 public:
  void add(FoundAnswer answer) {
    const auto [same, added] = places_.try_emplace(lowered(answer.text), found_.size());
    if (added) {
      found_.push_back(std::move(answer));
    } else {
      found_[same->second].score += answer.score;
    }
  }
  std::vector<FoundAnswer> best(std::optional<float> impossible, int64_t top_k) && {
    if (impossible) found_.push_back({.score = *impossible, .chars = {}, .bytes = {}, .text = {}});
    std::ranges::stable_sort(found_, std::ranges::greater{}, &FoundAnswer::score);
    if (std::ssize(found_) > top_k) found_.resize(static_cast<size_t>(top_k));
    return std::move(found_);
  }

 private:
  std::unordered_map<std::u32string, size_t> places_;  // in found_
  std::vector<FoundAnswer> found_;
};

}  // namespace

Answerer Answerer::load(std::string_view name_or_path) {
  const std::filesystem::path folder = find_model(name_or_path);
  Answerer answerer;
  answerer.model_ = load_head(folder, HeadTask::answer);
  answerer.tokenizer_ = Tokenizer::load(folder);
  for (const char* name : {"<s>", "[CLS]"}) {
    if (const auto id = answerer.tokenizer_->id_of(name)) answerer.first_id_ = id;
  }
  return answerer;
}

std::vector<FoundAnswer> Answerer::operator()(std::string_view question, std::string_view context,
                                              const AnswerOptions& options) const {
  constexpr int64_t kWindow = 384, kStride = 128;  // the pipeline's
  const EncoderFacts& facts = model_->encoder().facts();
  const int64_t most = std::min(options.max_tokens.value_or(kWindow), facts.max_tokens);
  const int64_t stride = options.stride.value_or(std::min(most / 2, kStride));
  const size_t asked = tokenizer_->encode(question, {.add_special = false}).ids.size();
  const std::vector<Encoding> encodings =
      tokenizer_->encode_pair_windows(question, context, {.max_tokens = most, .stride = stride});
  need_tokens(encodings.front().ids, question, "answer");
  std::vector<Tensor> logits(encodings.size());  // [T, 2] each
  int64_t done = 0;
  in_batches(lengths_of(encodings), options.batch, [&](std::span<const size_t> rows) {
    const Tensor all = model_->logits(input_of(encodings, rows, facts));  // [B, T, 2]
    for (size_t b = 0; b < rows.size(); ++b) {
      logits[rows[b]] = all.select(0, static_cast<int64_t>(b));
    }
    done += std::ssize(rows);
    if (options.progress) options.progress(done, std::ssize(encodings));
  });
  Answers answers;
  std::optional<float> impossible;
  for (size_t i = 0; i < encodings.size(); ++i) {  // in the context's order
    const Window window(encodings[i], asked, first_id_);
    const std::vector<float> starts = shares_of(window, logits[i].span<float>(), 0);
    const std::vector<float> ends = shares_of(window, logits[i].span<float>(), 1);
    if (options.handle_impossible_answer) {
      impossible = std::min(impossible.value_or(1), starts[0] * ends[0]);
    }
    for (const Candidate& span : best_spans(window, starts, ends, options)) {
      answers.add(answer_at(window, span, context, options.align_to_words));
    }
  }
  return std::move(answers).best(impossible, options.top_k);
}

}  // namespace heed
