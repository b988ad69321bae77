#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "heed/base/philox.h"
#include "heed/ops/attention_report.h"
#include "heed/ops/kv_pages.h"
#include "heed/tensor/tensor.h"

namespace heed {

/// Whoever watches a model run (the lens, `forward --want`). Methods are called in layer order on
/// the calling thread. Watching changes no bit of what the model computes.
class Observer {
 public:
  virtual ~Observer() = default;
  /// What to compute beside y in this layer's attention (layers from 0); kind is "self" or "cross".
  virtual AttentionWant wants(int /*layer*/, std::string_view /*kind*/) { return {}; }
  virtual void attention(int /*layer*/, std::string_view /*kind*/, const AttentionOutputs&) {}
  /// What to report of this layer's attention. Where a report is wanted and nothing of wants(),
  /// no T x S matrix is made and attention() is not called.
  virtual std::optional<AttentionReportWant> wants_report(int /*layer*/,
                                                          std::string_view /*kind*/) {
    return std::nullopt;
  }
  /// The report, and the run that it tells of: for exact tiles and to compare it with another. In
  /// a run with a cache its k is undefined: the keys are the cache's.
  virtual void report(int /*layer*/, std::string_view /*kind*/, const AttentionReport&,
                      const AttentionRun&) {}
  /// Whether this layer is to compute value_norms(): H products of S rows.
  virtual bool wants_value_norms(int /*layer*/, std::string_view /*kind*/) { return false; }
  /// |v W_o|, the length of what each key's value is after each head's part of the output product
  /// (Kobayashi et al., 2020): norms [B, H, S]; in a run with a cache of the new tokens alone.
  virtual void value_norms(int /*layer*/, std::string_view /*kind*/, const Tensor& /*norms*/) {}
  /// State [B, T, C] after the embeddings (layer 0) and after each block (1 to L).
  virtual void hidden_state(int /*layer*/, const Tensor& /*state*/) {}
  /// Before each step of a recurrent layer, of which no state is told; it may throw to stop there.
  virtual void step() {}
};

/// Which numbers dropout drops, as shares of 1.
struct DropoutRates {
  float hidden = 0;        // embeddings, and what attention and feed-forward add to the residual
  float attention = 0;     // attention's weights
  float feed_forward = 0;  // between the two products of feed-forward, where the model has it
  float head = 0;          // what the products of a task's head read
};

/// What a step of training carries: dropout, and the random numbers it takes next. A step is the
/// same whenever its seed is. One thread at a time.
struct Training {
  DropoutRates rates;
  uint64_t seed = 0;       // of this step
  uint64_t drawn = 0;      // seeds that the step has taken
  bool recompute = false;  // keep each block's input alone and compute it again in backward
  int64_t first_row = 0;   // of a part of a batch: what is dropped is what the whole batch drops

  /// per_row: heads, or numbers, that each row of the batch has.
  Dropout next(float rate, int64_t per_row) {
    return {rate, derived_seed(seed, drawn++), first_row * per_row};
  }
};

/// Numbers of x [B, ...] that belong to a row of the batch.
inline int64_t numbers_per_row(const Tensor& x) {
  return x.numel() / std::max(int64_t{1}, x.size(0));
}

/// What a run carries beside the tensors. Layers hand it on; only attention and the block
/// boundaries look into it.
struct Run {
  Observer* observer = nullptr;
  int layer = 0;
  Training* training = nullptr;  // null: inference, nothing is dropped
  KvStep* cache = nullptr;       // null: the run's tokens are whole texts

  /// The run as the blocks of that layer see it.
  Run at(int64_t block) const { return {observer, static_cast<int>(block), training, cache}; }
  /// Where each row's first token stands: [B], or one for all.
  std::vector<int64_t> first_positions() const {
    return cache == nullptr ? std::vector<int64_t>{0} : cache->before();
  }
  /// The next dropout of those numbers, of which a row of the batch has per_row (of attention's
  /// weights: heads); off in inference.
  Dropout dropout(float DropoutRates::*numbers, int64_t per_row) const {
    return training == nullptr ? Dropout{} : training->next(training->rates.*numbers, per_row);
  }
  /// x [B, ...] with the rate's share of it dropped; x itself in inference.
  Tensor drop(const Tensor& x, float DropoutRates::*rate = &DropoutRates::hidden) const {
    return training == nullptr ? x : heed::dropout(x, dropout(rate, numbers_per_row(x)));
  }
  /// Whether blocks must see a batch as it is, with its padding and in one part: an observer does,
  /// and what is dropped belongs to places in it.
  bool needs_whole_batch() const { return observer != nullptr || training != nullptr; }
  /// A block boundary: `blocks` blocks are done, and the state is x [B, T, C].
  void reached(int64_t blocks, const Tensor& x) const {
    if (observer != nullptr) observer->hidden_state(static_cast<int>(blocks), x);
  }
  /// A recurrent layer begins a step.
  void step() const {
    if (observer != nullptr) observer->step();
  }
};

}  // namespace heed
