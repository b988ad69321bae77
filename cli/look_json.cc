#include "cli/look_json.h"

#include "heed/lens/look_arrays.h"

namespace heed::cli {
namespace {

OutJson tokens_of(const Word& word) { return {word.pieces.start, word.pieces.end}; }

bool picks(const Pick& pick, int64_t index) {
  return pick.kind != Pick::Kind::one || pick.index == index;
}

OutJson head_json(const Look& look, int64_t layer, int64_t head) {
  const HeadStatistics s = look.statistics(layer, head);
  OutJson out;
  out["layer"] = layer;
  out["head"] = head;
  add_statistics(out, s, look.source.has_value());
  if (look.weights) {
    out["weights"] = nested_json(look.weights.select(0, layer).select(0, head));
    return out;
  }
  for (const auto& [name, array] : head_arrays(look, layer, head)) {
    out["report"][name] = nested_json(array);
  }
  return out;
}

}  // namespace

void add_statistics(OutJson& out, const HeadStatistics& statistics, bool cross) {
  if (!cross) out["role"] = head_role(statistics);
  for (const StatisticName& one : statistic_names(cross)) {
    out[std::string(one.name)] = statistics.*one.value;
  }
  if (cross) return;
  out["offset"] = statistics.offset;
}

OutJson words_json(const Look& look) { return words_json(look.words, look.sinks()); }

OutJson words_json(const std::vector<Word>& words, const std::vector<bool>& sinks) {
  OutJson out = OutJson::array();
  for (size_t w = 0; w < words.size(); ++w) {
    OutJson word;
    word["word"] = words[w].name;
    word["tokens"] = tokens_of(words[w]);
    word["sink"] = static_cast<bool>(sinks[w]);
    out.push_back(std::move(word));
  }
  return out;
}

OutJson look_json(const Look& look, const std::string& model, const LookView& view,
                  const std::optional<Occurrence>& chosen) {
  OutJson out;
  out["model"] = model;
  out["text"] = look.text;
  if (!look.second.empty()) out["second"] = look.second;
  out["tokens"] = look.encoding.tokens;
  out["truncated"] = look.encoding.truncated;
  out["words"] = words_json(look);
  if (chosen) out["chosen"] = chosen->word;
  out["heads"] = OutJson::array();
  for (int64_t layer = 0; layer < look.layers(); ++layer) {
    for (int64_t head = 0; head < look.heads(); ++head) {
      if (picks(view.layer, layer) && picks(view.head, head)) {
        out["heads"].push_back(head_json(look, layer, head));
      }
    }
  }
  return out;
}

OutJson compare_json(const std::vector<Look>& looks, const std::vector<Occurrence>& occurrences) {
  OutJson out;
  out["word"] = looks[occurrences[0].text].words[static_cast<size_t>(occurrences[0].word)].name;
  out["occurrences"] = OutJson::array();
  for (const Occurrence& at : occurrences) {
    const Look& look = looks[at.text];
    const Word& word = look.words[static_cast<size_t>(at.word)];
    OutJson one;
    one["text"] = at.text;
    one["tokens"] = tokens_of(word);
    one["vectors"] = nested_json(word_vectors(look.states, {word}).select(1, 0));
    out["occurrences"].push_back(std::move(one));
  }
  out["pairs"] = OutJson::array();
  for (size_t a = 0; a < occurrences.size(); ++a) {
    for (size_t b = a + 1; b < occurrences.size(); ++b) {
      OutJson pair;
      pair["first"] = a;
      pair["second"] = b;
      pair["cosines"] = cosines(looks[occurrences[a].text], occurrences[a].word,
                                looks[occurrences[b].text], occurrences[b].word);
      out["pairs"].push_back(std::move(pair));
    }
  }
  return {{"compare", std::move(out)}};
}

}  // namespace heed::cli
