#include "heed/lens/probe.h"

#include <algorithm>
#include <set>
#include <string>

#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/base/random.h"
#include "heed/lens/recorder.h"

namespace heed {
namespace {

/// Different tokens that stand for themselves: no "[unused3]", no "##ing".
std::vector<int32_t> random_tokens(const Tokenizer& tokenizer, TorchRandom& random) {
  const auto vocab = static_cast<float>(tokenizer.vocab_size());
  std::set<int32_t> seen;
  std::vector<int32_t> tokens;
  // every token is tried ten times or so before it is given up
  for (int64_t tries = 10 * tokenizer.vocab_size(); tries > 0; --tries) {
    float number = 0;
    random.rand({&number, 1});
    const auto id = static_cast<int32_t>(vocab * (0.1f + 0.8f * number));
    const std::string& token = tokenizer.token_of(id);
    if (token.empty() || token.front() == '[' || token.front() == '<' || token.starts_with("##")) {
      continue;
    }
    if (!seen.insert(id).second) continue;
    tokens.push_back(id);
    if (std::ssize(tokens) == kProbeTokens) return tokens;
  }
  throw Error(ErrorCode::unsupported,
              "look: needed " + std::to_string(kProbeTokens) +
                  " words in the vocabulary for a text of random ones, found " +
                  std::to_string(tokens.size()));
}

/// The tokens, repeated, in place of the words of `frame`.
void fill(Encoding& frame, const std::vector<int32_t>& tokens) {
  const auto first = std::find(frame.special.begin(), frame.special.end(), false);
  const auto last = std::find(first, frame.special.end(), true);
  const auto begin = first - frame.special.begin(), words = last - first;
  frame.ids.erase(frame.ids.begin() + begin, frame.ids.begin() + begin + words);
  for (int64_t i = 0; i < kProbeRepeats; ++i) {
    frame.ids.insert(frame.ids.begin() + begin, tokens.begin(), tokens.end());
  }
  frame.special.erase(first, last);
  frame.special.insert(frame.special.begin() + begin, kProbeRepeats * tokens.size(), false);
}

}  // namespace

std::vector<HeadTally> probe_repeats(const Encoder& model, const Tokenizer& tokenizer,
                                     uint64_t seed) {
  TorchRandom random(seed);
  std::vector<HeadTally> tallies(static_cast<size_t>(model.facts().layers * model.facts().heads));
  for (int64_t i = 0; i < kProbeTexts; ++i) {
    check_cancelled();
    Encoding text = tokenizer.encode("a");
    fill(text, random_tokens(tokenizer, random));
    if (std::ssize(text.ids) > model.facts().max_tokens) {
      throw Error(ErrorCode::unsupported, "look: needed a model that reads " +
                                              std::to_string(text.ids.size()) +
                                              " tokens for the induction score, found one of " +
                                              std::to_string(model.facts().max_tokens));
    }
    const HeadTokens tokens{text.ids, text.special};
    const AttentionReportWant want = head_want(tokens);
    Recorder recorder({.report = want});
    model(EncoderInput::from_rows({text.ids}), {.observer = &recorder});
    for (size_t at = 0; at < tallies.size(); ++at) {
      const size_t layer = at / static_cast<size_t>(model.facts().heads);
      tallies[at].add(recorder.reports[layer], want, static_cast<int64_t>(at) % model.facts().heads,
                      tokens, recorder.masks[layer]);
    }
  }
  return tallies;
}

}  // namespace heed
