#include "heed/models/real_tokens.h"

#include <algorithm>
#include <numeric>
#include <span>

#include "heed/base/parallel.h"
#include "heed/ops/real_rows.h"

namespace heed {
namespace {

/// Texts of so many tokens that go through all blocks before the next ones start, in even parts of
/// the batch: as few as keep the threads busy, so that a layer finds in the cache what the one
/// before it left (4 to 5 % at 32 x 128, 3 % at 8 x 512).
int64_t texts_together(int64_t batch, int64_t tokens) {
  constexpr int64_t kTokensPerThread = 512;
  const int64_t most =
      std::max<int64_t>(1, kTokensPerThread * num_threads() / std::max<int64_t>(1, tokens));
  const int64_t parts = (batch + most - 1) / most;
  return parts <= 1 ? batch : (batch + parts - 1) / parts;
}

}  // namespace

Tensor through_real_tokens(std::string_view operation, const Tensor& x,
                           const std::vector<int64_t>& lengths, bool whole,
                           const EncoderBlocks& blocks) {
  const int64_t batch = x.size(0), tokens = x.size(1);
  const Mask padding = padding_mask(operation, lengths, batch, tokens);
  if (whole) return blocks(x, padding);
  const bool padded = !padding.empty();
  const std::vector<int64_t> real =
      padded ? lengths : std::vector<int64_t>(static_cast<size_t>(batch), tokens);
  const int64_t all = std::accumulate(real.begin(), real.end(), int64_t{0});
  const int64_t together = texts_together(batch, all / std::max<int64_t>(1, batch));
  if (!padded && batch <= together) return blocks(x, {});
  for (int64_t first = 0; first < batch; first += together) {
    const int64_t texts = std::min(together, batch - first);
    const Tensor part = x.slice(0, first, first + texts);  // [texts, T, C]
    const auto some =
        std::span(real).subspan(static_cast<size_t>(first), static_cast<size_t>(texts));
    std::vector<int64_t> starts{0};
    for (const int64_t length : some) starts.push_back(starts.back() + length);
    if (starts.back() == 0) continue;
    unpack_rows(blocks(pack_rows(part, some), Mask::segments(starts, starts)), some, part);
  }
  return x;
}

}  // namespace heed
