#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "heed/lens/look.h"

namespace heed {

/// How far two runs look to different places.
struct Divergence {
  /// [L, H, T]: the Jensen-Shannon divergence of each row's weights in nats, 0 where they agree and
  /// ln 2 where they share no key. [CLS], [SEP] and sinks count like any key.
  Tensor rows;
  std::vector<AttentionMap> difference;  // of each layer, B = 1, if wanted: b's weights - a's
};

/// Of every head. Both looks keep their runs and have as many layers, heads, tokens and keys; error
/// invalid_argument says how many each has. map: rows and columns of the difference, at most; 0:
/// none. progress: blocks of queries done, of all.
Divergence diverging(const Look& a, const Look& b, int64_t map = 0, const Progress& progress = {});

struct HeadPlace {
  int64_t layer = 0;
  int64_t head = 0;
};
/// "5.3": layer 5, head 3; none for another text. Whether a model has them is not asked.
std::optional<HeadPlace> parse_head_place(std::string_view text);

/// Of two heads of a look that keeps its runs, as one layer of one head. Error invalid_argument for
/// a layer or head that is not there.
Divergence diverging(const Look& look, HeadPlace a, HeadPlace b, int64_t map = 0,
                     const Progress& progress = {});

}  // namespace heed
