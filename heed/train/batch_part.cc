#include "heed/train/batch_part.h"

#include <algorithm>

#include "heed/train/token_rows.h"

namespace heed {

BatchPart part_of(const TrainBatch& batch, ProcessPart part) {
  if (part.size == 1) return {batch, 0};
  const int64_t rows = batch.input.ids.size(0);
  const int64_t begin = rows * part.rank / part.size, end = rows * (part.rank + 1) / part.size;
  const auto cut = [&](const Tensor& x) { return x ? x.slice(0, begin, end) : x; };
  TrainBatch own{.input = {.ids = cut(batch.input.ids), .type_ids = cut(batch.input.type_ids)},
                 .decoder_ids = cut(batch.decoder_ids),
                 .targets = cut(batch.targets)};
  for (int64_t row = begin; row < end; ++row) {
    own.tokens += batch.input.lengths.empty() ? own.input.ids.size(1)
                                              : batch.input.lengths[static_cast<size_t>(row)];
    if (batch.input.lengths.empty()) continue;
    own.input.lengths.push_back(batch.input.lengths[static_cast<size_t>(row)]);
  }
  own.count = std::ranges::count_if(own.targets.span<int32_t>(),
                                    [](int32_t target) { return target != kNoTarget; });
  return {std::move(own), begin};
}

}  // namespace heed
