#include "heed/lens/relations.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/base/message.h"
#include "heed/lens/look.h"

namespace heed {
namespace {

struct SearchedText {
  const std::vector<Word>& words;
  const std::string& text;
};

int64_t find_word(const SearchedText& in, const std::string& wanted, const char* what,
                  size_t pair) {
  WordChoice choice = parse_word_choice(wanted);
  std::vector<int64_t> found = find_words(in.words, wanted);
  if (found.empty()) {
    found = find_words(in.words, choice.name);
  } else {
    choice.occurrence.reset();
  }
  const auto occurrence = static_cast<size_t>(choice.occurrence.value_or(1));
  if (found.size() < occurrence) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("roles: pair {}: {} {} is not a word of {}", pair + 1, what,
                            in_quotes(wanted), in_quotes(in.text)));
  }
  return found[occurrence - 1];
}

/// The word that gets most of a head's look, of those that are no sinks and not `but`.
int64_t most_looked_at(const Tensor& row, int64_t but, const std::vector<bool>& sinks) {
  int64_t best = -1;
  for (int64_t w = 0; w < row.size(0); ++w) {
    if (w == but || sinks[static_cast<size_t>(w)]) continue;
    if (best < 0 || row.at({w}) > row.at({best})) best = w;
  }
  return best;
}

/// One relation's sums.
struct Tally {
  int64_t pairs = 0;
  int64_t heads = 0;          // of a layer
  std::vector<double> share;  // [layers * heads]
  std::vector<int64_t> hits;
  std::map<int64_t, int64_t> offsets;

  void add(const Look& look, const std::vector<Tensor>& between, int64_t from, int64_t to) {
    const std::vector<bool> sinks = look.key_sinks();
    const int64_t itself = look.source ? -1 : from;  // among the words looked at
    ++pairs;
    heads = look.heads();
    share.resize(static_cast<size_t>(look.layers() * heads));
    hits.resize(share.size());
    ++offsets[to - from];
    for (int64_t layer = 0; layer < look.layers(); ++layer) {
      for (int64_t head = 0; head < heads; ++head) {
        const Tensor row = between[static_cast<size_t>(layer)].select(0, head).select(0, from);
        const auto at = static_cast<size_t>(layer * heads + head);
        share[at] += row.at({to});
        hits[at] += most_looked_at(row, itself, sinks) == to ? 1 : 0;
      }
    }
  }

  Relation finish(const std::string& name) const {
    Relation out{.name = name, .pairs = pairs};
    const auto of_all = [&](double sum) {
      return static_cast<float>(sum / static_cast<double>(pairs));
    };
    for (const auto& [offset, count] : offsets) {
      const float hit = of_all(static_cast<double>(count));
      if (hit > out.baseline) {
        out.baseline = hit;
        out.offset = offset;
      }
    }
    for (size_t at = 0; at < share.size(); ++at) {
      const auto index = static_cast<int64_t>(at);
      out.heads.push_back(
          {index / heads, index % heads, of_all(share[at]), of_all(static_cast<double>(hits[at]))});
    }
    std::stable_sort(out.heads.begin(), out.heads.end(),
                     [](const HeadRelation& a, const HeadRelation& b) {
                       return std::pair(a.hits, a.share) > std::pair(b.hits, b.share);
                     });
    return out;
  }
};

/// The look of a pair's texts; a fault of them is told with the pair.
Look look_of_pair(const LookOfPair& look_of, const std::vector<RelatedWords>& pairs, size_t pair) {
  try {
    return look_of(pairs[pair]);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::invalid_argument) throw;
    throw Error(error.code(), fmt::format("roles: pair {}: {}", pair + 1, error.what()));
  }
}

/// Rows of the same texts follow each other; the order of first appearance stays.
std::vector<std::vector<size_t>> by_text(const std::vector<RelatedWords>& pairs) {
  std::map<std::pair<std::string, std::string>, size_t> places;
  std::vector<std::vector<size_t>> groups;
  for (size_t i = 0; i < pairs.size(); ++i) {
    const auto [place, is_new] =
        places.emplace(std::pair(pairs[i].text, pairs[i].target), groups.size());
    if (is_new) groups.emplace_back();
    groups[place->second].push_back(i);
  }
  return groups;
}

}  // namespace

std::vector<Relation> score_relations(const LookOfPair& look_of,
                                      const std::vector<RelatedWords>& pairs,
                                      const Progress& progress) {
  if (pairs.empty()) {
    throw Error(ErrorCode::invalid_argument, "roles: needed a pair of words, found none");
  }
  std::vector<std::string> names;
  std::map<std::string, Tally> tallies;
  for (const RelatedWords& pair : pairs) {
    if (tallies.try_emplace(pair.relation).second) names.push_back(pair.relation);
  }
  const auto groups = by_text(pairs);
  int64_t done = 0;
  for (const std::vector<size_t>& group : groups) {
    check_cancelled();
    const Look seen = look_of_pair(look_of, pairs, group[0]);
    std::vector<Tensor> between;  // [H, W, W] of each layer
    for (int64_t layer = 0; layer < seen.layers(); ++layer) {
      between.push_back(to_words(seen.weights.select(0, layer), seen.words, seen.key_words()));
    }
    for (const size_t i : group) {
      const int64_t from = find_word({seen.words, seen.text}, pairs[i].from, "from-word", i);
      const std::string& looked_at = seen.source ? seen.source->text : seen.text;
      const int64_t to = find_word({seen.key_words(), looked_at}, pairs[i].to, "to-word", i);
      if (from == to && !seen.source) {
        throw Error(ErrorCode::invalid_argument,
                    fmt::format("roles: pair {}: needed two words, found {} twice", i + 1,
                                in_quotes(pairs[i].from)));
      }
      tallies[pairs[i].relation].add(seen, between, from, to);
    }
    if (progress) progress(++done, std::ssize(groups));
  }
  std::vector<Relation> out;
  for (const std::string& name : names) {
    out.push_back(tallies[name].finish(name));
  }
  return out;
}

std::vector<Relation> score_relations(const Encoder& model, const Tokenizer& tokenizer,
                                      const std::vector<RelatedWords>& pairs,
                                      const Progress& progress) {
  const auto seen = [&](const RelatedWords& pair) {
    return look(model, tokenizer, pair.text, {.only_whole = true});
  };
  return score_relations(seen, pairs, progress);
}

}  // namespace heed
