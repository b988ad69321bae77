#include "heed/lens/look.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "heed/base/error.h"
#include "heed/base/message.h"

namespace heed {
namespace {

class Recorder : public Observer {
 public:
  AttentionWant wants(int /*layer*/, std::string_view /*kind*/) override {
    return {.weights = true};
  }
  void attention(int /*layer*/, std::string_view kind, const AttentionOutputs& outputs) override {
    if (kind == "self") weights_.push_back(outputs.weights.select(0, 0).clone());
  }
  void hidden_state(int /*layer*/, const Tensor& state) override {
    states_.push_back(state.select(0, 0).clone());
  }

  Tensor weights() const { return stacked(weights_); }
  Tensor states() const { return stacked(states_); }

 private:
  static Tensor stacked(const std::vector<Tensor>& parts) {
    HEED_ASSERT(!parts.empty());
    Shape shape{static_cast<int64_t>(parts.size())};
    for (const int64_t size : parts[0].shape()) shape.push_back(size);
    const Tensor out = Tensor::empty(shape);
    float* to = out.data<float>();
    for (const Tensor& part : parts) {
      const auto from = part.span<const float>();
      to = std::copy(from.begin(), from.end(), to);
    }
    return out;
  }
  std::vector<Tensor> weights_;  // [H, T, T] of each layer
  std::vector<Tensor> states_;   // [T, C]
};

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

}  // namespace

Look look(const Encoder& model, const Tokenizer& tokenizer, std::string_view text,
          const LookOptions& options) {
  Look out;
  out.text = text;
  out.second = options.second.value_or("");
  EncodeOptions cut;
  if (options.truncate) cut.max_tokens = model.facts().max_tokens;
  out.encoding = options.second ? tokenizer.encode_pair(text, *options.second, cut)
                                : tokenizer.encode(text, cut);
  const auto& special = out.encoding.special;
  if (std::find(special.begin(), special.end(), false) == special.end()) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("look: needed a word to look from, found none in the text {}",
                            in_quotes(text)));
  }
  const auto tokens = static_cast<int64_t>(out.encoding.ids.size());
  if (tokens > model.facts().max_tokens) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("look: needed at most {} tokens, found {} in the text; shorten it, or "
                            "cut it with --truncate",
                            model.facts().max_tokens, tokens));
  }
  out.words = options.pieces ? single_pieces(out.encoding)
                             : group_words(out.encoding, out.text, out.second);
  Recorder recorder;
  model(EncoderInput::from_rows({out.encoding.ids}, {out.encoding.type_ids}),
        {.observer = &recorder});
  out.weights = recorder.weights();
  out.states = recorder.states();
  return out;
}

Tensor Look::between_words(std::optional<int64_t> layer, std::optional<int64_t> head) const {
  const int64_t tokens = weights.size(2);
  const Tensor chosen = weights.slice(0, layer.value_or(0), layer ? *layer + 1 : layers())
                            .slice(1, head.value_or(0), head ? *head + 1 : heads())
                            .contiguous();
  return to_words(mean_of_first(chosen.reshape({-1, tokens, tokens})), words);
}

std::vector<bool> Look::sinks() const {
  std::vector<bool> out;
  for (const Word& word : words) out.push_back(word.special || word.pieces.start == 0);
  return out;
}

HeadStatistics Look::statistics(int64_t layer, int64_t head) const {
  return head_statistics(weights.select(0, layer).select(0, head), encoding.special);
}

std::string_view Look::role(int64_t layer, int64_t head) const {
  return head_role(statistics(layer, head), encoding.special);
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
  const std::vector<bool> sinks = look.sinks();
  std::vector<Gaze> all;
  for (int64_t layer = 0; layer < look.layers(); ++layer) {
    const Tensor between = to_words(look.weights.select(0, layer), look.words);
    for (int64_t head = 0; head < look.heads(); ++head) {
      Gaze gaze{layer, head, {}};
      for (int64_t w = 0; w < between.size(2); ++w) {
        if (w == word || (!with_sinks && sinks[static_cast<size_t>(w)])) continue;
        gaze.words.emplace_back(w, between.at({head, word, w}));
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
