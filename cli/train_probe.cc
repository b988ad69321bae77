#include "cli/train_probe.h"

#include "heed/lens/look_pair.h"

namespace heed::cli {
namespace {

constexpr int64_t kProbeTokens = 12;

Look watched_look(const PairTask& task, const TextPair& texts, PairAttention which) {
  const EncodedPair pair = task.encoded(texts.source, texts.target);
  const PairText text{
      .source = read_source(pair.encoding, pair.source, {.prefix_bytes = pair.prefix_bytes}),
      .target = read_target(pair.tokenizer, pair.target),
      .start = pair.start,
      .start_token = pair.tokenizer->token_of(pair.start)};
  return look_pair(task.model(), text, which, {.states = false});
}

}  // namespace

Look watched_look(const Encoder& model, const Tokenizer& tokenizer, const std::string& text) {
  return heed::look(model, tokenizer, text, {.truncate = true});
}

EncoderFacts TrainProbe::facts() const {
  if (const PairTask* const pairs = task_.pairs()) {
    return pair_facts(pairs->model().facts(), pair_attention_from_name(settings_.watch_attention));
  }
  return task_.encoder()->facts();
}

Look TrainProbe::look() const {
  const std::string& text = settings_.watch_text;
  if (const PairTask* const pairs = task_.pairs()) {
    return watched_look(*pairs,
                        text.empty() ? pairs->sample_pair(kProbeTokens)
                                     : TextPair{.source = text, .target = settings_.watch_target},
                        pair_attention_from_name(settings_.watch_attention));
  }
  return watched_look(*task_.encoder(), task_.tokenizer(),
                      text.empty() ? task_.sample_text(kProbeTokens) : text);
}

std::string TrainProbe::attention() const {
  if (task_.pairs() == nullptr) return "";
  return settings_.watch_attention == "cross" ? "cross-attention" : settings_.watch_attention;
}

}  // namespace heed::cli
