#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "heed/lens/look.h"
#include "heed/lens/picture.h"

namespace heed {

/// A long text's map from its reports: runs of tokens looking at runs of tokens. A cell is the sum
/// over its keys and the mean over its queries, so that rows sum to 1 (or, without sinks, to what
/// is left when the first token's and the separators' weight is taken off their cells). layer and
/// head as in Look::between_words; marked: a word.
HeatMap pooled_map(const Look& look, std::optional<int64_t> layer, std::optional<int64_t> head,
                   bool sinks, std::optional<int64_t> marked);

/// Edges of bins as numbers, and each bin by its first token.
std::vector<int64_t> edges_of(const Tensor& edges);
std::vector<std::string> first_tokens(const std::vector<int64_t>& edges);

}  // namespace heed
