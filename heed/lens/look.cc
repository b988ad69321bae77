#include "heed/lens/look.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/lens/id_text.h"
#include "heed/lens/recorder.h"

namespace heed {
namespace {

Tensor mean_of_first(const Tensor& all) {  // [N, T, T] -> [T, T]
  const int64_t count = all.size(0);
  const Tensor out = Tensor::zeros({all.size(1), all.size(2)});
  const auto sum = out.span<float>();
  for (int64_t n = 0; n < count; ++n) {
    const Tensor one = all.select(0, n);
    const auto values = one.span<const float>();
    for (size_t i = 0; i < sum.size(); ++i) sum[i] += values[i];
  }
  for (float& value : sum) value /= static_cast<float>(count);
  return out;
}

float cosine(const float* a, const float* b, int64_t size) {
  double dot = 0;
  double aa = 0;
  double bb = 0;
  for (int64_t i = 0; i < size; ++i) {
    dot += static_cast<double>(a[i]) * b[i];
    aa += static_cast<double>(a[i]) * a[i];
    bb += static_cast<double>(b[i]) * b[i];
  }
  return aa > 0 && bb > 0 ? static_cast<float>(dot / std::sqrt(aa * bb)) : 0;
}

void check_length(int64_t tokens, const EncoderFacts& facts, const LookOptions& options) {
  if (tokens > facts.max_tokens) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("look: needed at most {} tokens, found {} in the text; shorten it, or "
                            "cut it with --truncate",
                            facts.max_tokens, tokens));
  }
  const int64_t most_whole = std::min(options.most_whole, most_whole_tokens(facts));
  if (options.only_whole && tokens > most_whole) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("look: whole matrices are needed for this, of texts of at most {} "
                            "tokens, found {}; shorten the text",
                            most_whole, tokens));
  }
}

std::vector<bool> sinks_among(const std::vector<Word>& words, bool first_too) {
  std::vector<bool> out;
  for (const Word& word : words) {
    out.push_back(word.special || (first_too && word.pieces.start == 0));
  }
  return out;
}

}  // namespace

Look read_text(const Tokenizer& tokenizer, std::string_view text, const EncoderFacts& facts,
               const LookOptions& options) {
  Look out;
  out.text = text;
  out.second = options.second.value_or("");
  EncodeOptions cut;
  if (options.truncate) cut.max_tokens = facts.max_tokens;
  out.encoding = options.second ? tokenizer.encode_pair(text, *options.second, cut)
                                : tokenizer.encode(text, cut);
  const auto& special = out.encoding.special;
  if (std::find(special.begin(), special.end(), false) == special.end()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("look: needed a word to look from, found none in the text {}",
                            in_quotes(text)));
  }
  check_length(out.tokens(), facts, options);
  out.words = options.pieces ? single_pieces(out.encoding)
                             : group_words(out.encoding, out.text, out.second);
  return out;
}

Look read_ids(const std::shared_ptr<const Tokenizer>& tokenizer, std::span<const int32_t> ids,
              int64_t most_whole) {
  IdText read(tokenizer);
  read.set(ids);
  Look out;
  out.encoding = read.encoding();
  out.text = read.text();
  out.words = group_words(out.encoding, out.text);
  // a conversation's marks are part of its text; statistics would list each of them
  for (size_t i = 1; i < out.encoding.special.size(); ++i) out.encoding.special[i] = false;
  if (out.tokens() > most_whole) {
    for (size_t i = 1; i < out.words.size(); ++i) out.words[i].special = false;
  }
  return out;
}

int64_t most_whole_tokens(const EncoderFacts& facts) {
  const auto heads = static_cast<double>(std::max<int64_t>(1, facts.layers * facts.heads));
  const auto fit = static_cast<int64_t>(std::sqrt(kMostWholeBytes / (sizeof(float) * heads)));
  return std::min(kMostWholeTokens, fit);
}

Look look(const Encoder& model, Look read, const LookOptions& options) {
  const auto input = EncoderInput::from_rows({read.encoding.ids}, {read.encoding.type_ids});
  return look(
      model.facts(), [&](const Run& run) { model(input, run); }, std::move(read), options);
}

Look look(const EncoderFacts& facts, const std::function<void(const Run&)>& run, Look out,
          const LookOptions& options) {
  const int64_t tokens = std::max(out.tokens(), out.keys());
  const int64_t most_whole = std::min(options.most_whole, most_whole_tokens(facts));
  check_length(tokens, facts, options);
  out.want = out.source ? cross_want(out.source->encoding.special) : head_want(out.head_tokens());
  const bool whole = tokens <= most_whole;
  if (!whole) {
    out.want.received = true;
    out.want.top = kLongTop;
    out.want.map = kLongMap;
  }
  AttentionReportWant report = out.want;
  report.progress = options.progress;
  Recorder recorder({.kind = out.source ? "cross" : "self",
                     .report = std::move(report),
                     .weights = whole,
                     .states = options.states,
                     .value_norms = options.value_norms,
                     .runs = options.runs,
                     .layers = facts.layers});
  run({.observer = &recorder});
  if (recorder.reports.empty()) {
    throw Error(
        ErrorCode::unsupported,
        fmt::format("look: this model ({}) does not tell where it looks", facts.architecture));
  }
  out.weights = recorder.weights();
  out.states = recorder.states();
  out.value_norms = recorder.value_norms();
  out.reports = std::move(recorder.reports);
  out.masks = std::move(recorder.masks);
  out.runs = std::move(recorder.runs);
  return out;
}

Look look(const Encoder& model, const Tokenizer& tokenizer, std::string_view text,
          const LookOptions& options) {
  return look(model, read_text(tokenizer, text, model.facts(), options), options);
}

Tensor Look::between_words(std::optional<int64_t> layer, std::optional<int64_t> head) const {
  HEED_ASSERT(weights);
  const Tensor chosen = weights.slice(0, layer.value_or(0), layer ? *layer + 1 : layers())
                            .slice(1, head.value_or(0), head ? *head + 1 : heads())
                            .contiguous();
  return to_words(mean_of_first(chosen.reshape({-1, tokens(), keys()})), words, key_words());
}

std::vector<float> Look::row(std::optional<int64_t> layer, std::optional<int64_t> head,
                             int64_t word) const {
  std::vector<float> keys(key_encoding().ids.size());
  const Span pieces = words[static_cast<size_t>(word)].pieces;
  const int64_t last_layer = layer ? *layer + 1 : layers(), last_head = head ? *head + 1 : heads();
  float rows = 0;
  for (int64_t l = layer.value_or(0); l < last_layer; ++l) {
    for (int64_t h = head.value_or(0); h < last_head; ++h) {
      for (int64_t t = pieces.start; t < pieces.end; ++t, ++rows) add_row(keys, l, h, t);
    }
  }
  std::vector<float> out;
  for (const Word& to : key_words()) {
    float sum = 0;
    for (int64_t s = to.pieces.start; s < to.pieces.end; ++s) sum += keys[static_cast<size_t>(s)];
    out.push_back(sum / rows);
  }
  return out;
}

void Look::add_row(std::vector<float>& keys, int64_t layer, int64_t head, int64_t token) const {
  if (weights) {
    const float* from = &weights.at({layer, head, token, 0});
    for (float& key : keys) key += *from++;
    return;
  }
  const AttentionReport& report = reports[static_cast<size_t>(layer)];
  for (int64_t i = 0; i < kLongTop; ++i) {
    const int64_t key = report.top_keys.at<int64_t>({0, head, token, i});
    if (key >= 0) keys[static_cast<size_t>(key)] += report.top_weights.at({0, head, token, i});
  }
}

std::vector<bool> Look::sinks() const { return sinks_among(words, !source); }
std::vector<bool> Look::key_sinks() const { return sinks_among(key_words(), !source); }

float Look::sink_weight(int64_t layer, int64_t head, int64_t row) const {
  const AttentionReport& report = reports[static_cast<size_t>(layer)];
  return source ? cross_sink_weight(report, head, row) : heed::sink_weight(report, head, row);
}

HeadStatistics Look::statistics(int64_t layer, int64_t head) const {
  HeadTally tally;
  add_to(tally, layer, head);
  return tally.mean();
}

void Look::add_to(HeadTally& tally, int64_t layer, int64_t head) const {
  const AttentionReport& report = reports[static_cast<size_t>(layer)];
  if (source) {
    tally.add_cross(report, head, keys(), head_tokens());
  } else {
    tally.add(report, want, head, head_tokens(), masks[static_cast<size_t>(layer)]);
  }
}

std::string_view Look::role(int64_t layer, int64_t head) const {
  return head_role(statistics(layer, head));
}

std::vector<float> cosines(const Look& a, int64_t word_a, const Look& b, int64_t word_b) {
  const Tensor of_a = word_vectors(a.states, {a.words[static_cast<size_t>(word_a)]});
  const Tensor of_b = word_vectors(b.states, {b.words[static_cast<size_t>(word_b)]});
  std::vector<float> out;
  for (int64_t l = 0; l < of_a.size(0); ++l) {
    out.push_back(cosine(&of_a.at({l, 0, 0}), &of_b.at({l, 0, 0}), of_a.size(2)));
  }
  return out;
}

std::vector<Gaze> strongest_heads(const Look& look, int64_t word, bool with_sinks, size_t most) {
  constexpr size_t kWordsOfAHead = 3;
  const std::vector<bool> sinks = look.key_sinks();
  std::vector<Gaze> all;
  for (int64_t layer = 0; layer < look.layers(); ++layer) {
    for (int64_t head = 0; head < look.heads(); ++head) {
      Gaze gaze{layer, head, {}};
      const std::vector<float> row = look.row(layer, head, word);
      for (size_t w = 0; w < row.size(); ++w) {
        const auto other = static_cast<int64_t>(w);
        const bool itself = other == word && !look.source;
        if (itself || (!with_sinks && sinks[w])) continue;
        gaze.words.emplace_back(other, row[w]);
      }
      std::stable_sort(gaze.words.begin(), gaze.words.end(),
                       [](const auto& a, const auto& b) { return a.second > b.second; });
      if (gaze.words.size() > kWordsOfAHead) gaze.words.resize(kWordsOfAHead);
      if (!gaze.words.empty()) all.push_back(std::move(gaze));
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const Gaze& a, const Gaze& b) {
    return a.words[0].second > b.words[0].second;
  });
  if (all.size() > most) all.resize(most);
  return all;
}

}  // namespace heed
