#include "heed/train/data_masking.h"

#include "heed/ops/cross_entropy.h"
#include "heed/train/draws.h"

namespace heed {
namespace {

constexpr uint64_t kDrawsPerToken = 4;

/// What stands in place of a chosen token.
int32_t replaced(int32_t id, const Masking& masking, double kind, uint64_t word) {
  if (kind < 0.8) return masking.mask_id;
  if (kind < 0.9) return static_cast<int32_t>(draw_below(masking.vocab, word));
  return id;
}

}  // namespace

std::vector<int32_t> mask_row(std::span<int32_t> ids, const std::vector<bool>& special,
                              const Masking& masking, uint64_t seed, int64_t epoch, int64_t row) {
  std::vector<int32_t> targets(ids.size(), kNoTarget);
  const uint64_t of_row = draw(draw_seed(seed, DrawFor::masking, static_cast<uint64_t>(epoch)),
                               static_cast<uint64_t>(row));
  for (size_t i = 0; i < ids.size(); ++i) {
    if (special[i]) continue;
    const auto drawn = [&](uint64_t n) { return draw(of_row, kDrawsPerToken * i + n); };
    if (draw_unit(drawn(0)) >= masking.part) continue;
    targets[i] = ids[i];
    ids[i] = replaced(ids[i], masking, draw_unit(drawn(1)), drawn(2));
  }
  return targets;
}

}  // namespace heed
