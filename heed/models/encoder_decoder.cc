#include "heed/models/encoder_decoder.h"

#include "heed/base/error.h"

namespace heed {

Memory Memory::repeated(int64_t count) const {
  HEED_ASSERT(states.size(0) == 1);
  Memory rows{.states = states.expand({count, states.size(1), states.size(2)}), .lengths = {}};
  if (!lengths.empty()) rows.lengths.assign(static_cast<size_t>(count), lengths[0]);
  for (const Tensor& state : last) rows.last.push_back(state.expand({count, state.size(1)}));
  return rows;
}

}  // namespace heed
