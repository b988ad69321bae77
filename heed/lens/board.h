#pragma once

#include <string>
#include <vector>

#include "heed/lens/heads.h"
#include "heed/lens/picture.h"

namespace heed {

/// One number a head: a row a layer, a column a head.
HeatMap head_board(std::string title, int64_t layers, int64_t heads,
                   const std::vector<float>& values);

/// The statistics of every head of a model, [layers * heads], over the texts it was looked at with.
struct HeadTable {
  int64_t layers = 0;
  int64_t heads = 0;
  std::vector<HeadStatistics> statistics;

  HeatMap board(const StatisticName& statistic) const;
};

/// Statistics over `texts`, with those of copies (duplicate, induction, repeats) from `repeats`
/// (probe_repeats): a text of words says little about them. Both [layers * heads].
HeadTable head_table(int64_t layers, int64_t heads, const std::vector<HeadTally>& texts,
                     const std::vector<HeadTally>& repeats);

}  // namespace heed
