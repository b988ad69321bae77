#pragma once

#include <optional>
#include <string>
#include <vector>

#include "heed/lens/look.h"
#include "heed/lens/picture.h"

namespace heed::cli {

/// A word somewhere in the texts that were looked at.
struct Occurrence {
  size_t text = 0;   // which look, from 0
  int64_t word = 0;  // of its words
};

/// One text in words and numbers: where the chosen word looks, layer by layer and through which
/// heads; without one, what the heads do and which words are tied. `number` counts texts from 1, 0
/// if there is only one; `same` words of that name are in the text.
std::string summarize(const Look& look, size_t number, const std::optional<Occurrence>& chosen,
                      size_t same, bool sinks, const TerminalStyle& style);

/// How far the vectors of the occurrences are apart after each layer, each pair a column.
std::string summarize_distance(const std::vector<Look>& looks,
                               const std::vector<Occurrence>& occurrences,
                               const TerminalStyle& style);

}  // namespace heed::cli
