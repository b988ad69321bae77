#include "heed/lens/board.h"

#include "heed/base/error.h"

namespace heed {

HeatMap head_board(std::string title, int64_t layers, int64_t heads,
                   const std::vector<float>& values) {
  HEED_ASSERT(std::ssize(values) == layers * heads);
  HeatMap map;
  map.title = std::move(title);
  map.values = Tensor::from(values, {layers, heads});
  for (int64_t layer = 0; layer < layers; ++layer) {
    map.row_labels.push_back("layer " + std::to_string(layer));
  }
  for (int64_t head = 0; head < heads; ++head) {
    map.column_labels.push_back("H" + std::to_string(head));
  }
  return map;
}

HeadTable head_table(int64_t layers, int64_t heads, const std::vector<HeadTally>& texts,
                     const std::vector<HeadTally>& repeats) {
  HEED_ASSERT(std::ssize(texts) == layers * heads && texts.size() == repeats.size());
  HeadTable table{layers, heads, {}};
  for (size_t i = 0; i < texts.size(); ++i) {
    HeadStatistics s = texts[i].mean();
    const HeadStatistics of_copies = repeats[i].mean();
    s.duplicate = of_copies.duplicate;
    s.induction = of_copies.induction;
    s.repeats = of_copies.repeats;
    table.statistics.push_back(s);
  }
  return table;
}

HeatMap HeadTable::board(const StatisticName& statistic) const {
  std::vector<float> values;
  for (const HeadStatistics& one : statistics) values.push_back(one.*statistic.value);
  return head_board(std::string(statistic.name), layers, heads, values);
}

}  // namespace heed
