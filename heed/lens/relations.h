#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "heed/base/progress.h"
#include "heed/lens/look.h"
#include "heed/models/encoder.h"
#include "heed/text/tokenizer.h"

namespace heed {

/// A word of a text and another one that it is tied to: "barks" and "dog", a subject. Words are
/// named as WordChoice has them ("bank:2"). Of cross-attention `from` is a word of what was made of
/// the text.
struct RelatedWords {
  std::string text;
  std::string from;
  std::string to;
  std::string relation;
  std::string target = {};  // of an encoder-decoder: what was made of the text
};

/// How one head follows a relation.
struct HeadRelation {
  int64_t layer = 0;
  int64_t head = 0;
  float share = 0;  // mean weight that from-words give to their to-words
  float hits = 0;   // how often no other word gets more; sinks and from-words do not count
};

struct Relation {
  std::string name;
  int64_t pairs = 0;
  /// What a head would hit that looked a fixed number of words away, whatever it reads: of all such
  /// offsets the one that hits most of these very pairs, so this is as good as position can do.
  /// Such a head's share would be the same number.
  float baseline = 0;
  int64_t offset = 0;               // of that head, in words
  std::vector<HeadRelation> heads;  // all, the most hits first, of equals the largest share
};

/// The look of a pair's text (and target), with whole matrices.
using LookOfPair = std::function<Look(const RelatedWords&)>;

/// Scores every head on labelled pairs, each relation apart, in the order they first appear
/// (Clark et al., 2019, section 4.2, with weights beside the hits). Each text is looked at once.
/// Error invalid_argument names the pair whose word is not in its text; progress counts texts.
std::vector<Relation> score_relations(const LookOfPair& look_of,
                                      const std::vector<RelatedWords>& pairs,
                                      const Progress& progress = {});
/// The same by an encoder's own attention.
std::vector<Relation> score_relations(const Encoder& model, const Tokenizer& tokenizer,
                                      const std::vector<RelatedWords>& pairs,
                                      const Progress& progress = {});

}  // namespace heed
