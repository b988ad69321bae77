#pragma once

#include <optional>
#include <string>
#include <vector>

#include "heed/lens/alignment.h"
#include "heed/lens/look.h"
#include "heed/lens/picture.h"

namespace heed::cli {

/// A word somewhere in the texts that were looked at.
struct Occurrence {
  size_t text = 0;   // which look, from 0
  int64_t word = 0;  // of its words
};

/// Which attention words are aligned by; absent: the mean over all layers, or heads.
struct AlignmentChoice {
  std::optional<int64_t> layer;
  std::optional<int64_t> head;
};
/// A line for each word of the target: the source's word that it was made of.
std::string alignment_lines(const Look& look, const AlignmentChoice& choice,
                            const TerminalStyle& style);

/// One text in words and numbers: where the chosen word looks, layer by layer and through which
/// heads; without one, what the heads do and which words are tied (of cross-attention
/// neither). `number` counts texts from 1, 0
/// if there is only one; `same` words of that name are in the text.
std::string summarize(const Look& look, size_t number, const std::optional<Occurrence>& chosen,
                      size_t same, bool sinks, const TerminalStyle& style);

/// How far the vectors of the occurrences are apart after each layer, each pair a column.
std::string summarize_distance(const std::vector<Look>& looks,
                               const std::vector<Occurrence>& occurrences,
                               const TerminalStyle& style);

}  // namespace heed::cli
