#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/json_out.h"
#include "cli/look_summary.h"
#include "heed/lens/look_picture.h"

namespace heed::cli {

/// Adds the role, each statistic under its name, and "offset"; of cross-attention its few
/// statistics alone.
void add_statistics(OutJson& out, const HeadStatistics& statistics, bool cross = false);

/// [{"word", "tokens": [start, end], "sink"}].
OutJson words_json(const std::vector<Word>& words, const std::vector<bool>& sinks);
/// Of the words that look.
OutJson words_json(const Look& look);

/// {"model", "text", "tokens", "words", "heads": [{"layer", "head", "role", statistics,
/// "weights"}]}; weights are between tokens, [T][T]; long texts have "report": {"entropy": [T], ..}
/// in place of them; of cross-attention [T][S] and
/// of the statistics entropy, spread, max and sinks alone. The view picks layers and heads ("mean":
/// all of them).
OutJson look_json(const Look& look, const std::string& model, const LookView& view,
                  const std::optional<Occurrence>& chosen);

/// {"compare": {"word", "occurrences": [{"text", "tokens", "vectors": [L + 1][C]}], "pairs":
/// [{"first", "second", "cosines": [L + 1]}]}}.
OutJson compare_json(const std::vector<Look>& looks, const std::vector<Occurrence>& occurrences);

}  // namespace heed::cli
