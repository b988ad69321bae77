#pragma once

#include <array>
#include <string>
#include <vector>

#include "heed/lens/diverge.h"
#include "heed/lens/picture.h"
#include "heed/tensor/named_tensors.h"

namespace heed::cli {

/// What heed look --compare tells of: two texts, one text read by two models, or two heads.
struct Comparison {
  std::string what;                  // "texts", "models" or "heads"
  std::string same;                  // what the two have in common, for people
  std::array<std::string, 2> names;  // of the two
  Look a;
  Look b;                        // of two heads a's
  std::vector<HeadPlace> heads;  // the two heads; else none
  Divergence apart;              // of two heads one layer of one head
};

/// The mean of a head's rows, [T].
float mean_of(const Tensor& row);

/// Rows are layers, columns tokens: mean over the heads.
HeatMap apart_by_token(const Comparison& compared);

/// The divergence of each head and of each token; of two heads of each token alone.
Picture comparison_picture(const Comparison& compared, const HeatMap& by_token);

/// Where the second of the two gives more, and where less, of one head in `apart`: a cell is the
/// sum over its keys and the mean over its queries. Needs the difference.
HeatMap difference_map(const Comparison& compared, HeadPlace at);

/// "divergence" [L, H, T] and of the difference "difference_sum", "_mean", "_max" [L, H, R, C],
/// "_row_edges" and "_key_edges".
NamedTensors comparison_arrays(const Divergence& apart);

}  // namespace heed::cli
