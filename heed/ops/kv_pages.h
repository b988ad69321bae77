#pragma once

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "heed/ops/attention.h"

namespace heed {

/// A cache's side of one run of a model: which tokens stand before the run's, and where keys and
/// values go, layer after layer. new token t of batch row b stands at position before()[b] + t.
class KvStep {
 public:
  virtual ~KvStep() = default;
  /// Tokens of each row that the cache holds already. [B]
  virtual const std::vector<int64_t>& before() const = 0;
  /// The same with the run's; a row's own new tokens end here, what follows is padding. [B]
  virtual const std::vector<int64_t>& after() const = 0;
  /// Puts down the new tokens' keys [B, G, T, D] and values [B, G, T, E] of a layer; gives the
  /// pages of all that a row has. Not traced: training has no use for a cache.
  virtual KvPages put(int64_t layer, const Tensor& k, const Tensor& v) = 0;

  /// Makes keys [B, H, S, D] and values [B, H, S, E] of the sources.
  using MakeKeys = std::function<std::pair<Tensor, Tensor>()>;
  /// What a layer's cross-attention reads, the same at every step: made at the first one, then
  /// kept.
  virtual KvPages memory(int64_t layer, const MakeKeys& make) = 0;
};

/// Which tokens of a row to write: new token t becomes token begin[b] + t, up to end[b].
struct KvSpan {
  const std::vector<int64_t>& begin;  // [B]
  const std::vector<int64_t>& end;    // [B]
};

/// Writes k [B, G, T, D] and v [B, G, T, E], f32 with contiguous rows, into pages of any float
/// dtype, rounded to nearest. Every page that is written must be in the table and no other row's.
void write_pages(const KvPages& pages, const Tensor& k, const Tensor& v, const KvSpan& span);

}  // namespace heed
