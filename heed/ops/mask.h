#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "heed/tensor/tensor.h"

namespace heed {

/// Which corner a causal mask's diagonal starts from when queries T and keys S differ: query i sees
/// keys j <= i (top_left) or j <= i + N - T (bottom_right), N the visible keys: S, or the batch
/// row's length under Mask::padding. Vendors disagree, so there is no default.
enum class Align { top_left, bottom_right };

/// Where sequences packed one after another begin: segment i is [starts[i], starts[i + 1]).
struct Segments {
  std::vector<int64_t> queries;  // n + 1 starts, the first 0, the last T
  std::vector<int64_t> keys;     // n + 1 starts, the first 0, the last S
};

/// Which keys each query sees, as a value: parts combine by "and" with &. An empty Mask hides
/// nothing. Key j stands at position j, query i of batch row b at i + position_offset. Boolean and
/// additive parts are views, broadcast to [B, H, T, S] and never copied per head.
class Mask {
 public:
  Mask() = default;
  static Mask causal(Align align);
  /// Query i of batch row b sees keys j <= i + offsets[b] (one offset serves every row). Error
  /// invalid_argument if there is none.
  static Mask causal(std::vector<int64_t> offsets);
  /// A query at position p sees keys p - left <= j <= p + right; kOpen leaves a side open. Error
  /// invalid_argument if one is negative.
  static Mask window(int64_t left, int64_t right);
  static constexpr int64_t kOpen = INT64_MAX / 4;
  /// Sequences packed along T and S of a batch of 1 (varlen): queries see keys of their own segment
  /// alone, and positions restart in each. Error invalid_argument if starts do not begin at 0,
  /// fall, or differ in number.
  static Mask segments(std::vector<int64_t> query_starts, std::vector<int64_t> key_starts);
  /// Keys j < lengths[b] are visible. [B] entries (one serves every row). Error invalid_argument if
  /// there is none or one is negative.
  static Mask padding(std::vector<int64_t> lengths);
  /// Boolean tensor, true = visible, that broadcasts to [B, H, T, S].
  static Mask boolean(Tensor visible);
  /// f32 tensor added to the scores, that broadcasts to [B, H, T, S]; finite, or -inf, which hides
  /// a key.
  static Mask additive(Tensor bias);

  /// Error invalid_argument where the two speak of different batch sizes.
  friend Mask operator&(const Mask& a, const Mask& b);

  bool empty() const;
  bool causal() const { return !causal_aligns_.empty() || !causal_offsets_.empty(); }
  /// Query i of batch row b of B stands at position i + this: the least of what alignments and
  /// offsets say; without any as bottom_right. Error invalid_argument if there are offsets or
  /// lengths for another B.
  int64_t position_offset(int64_t b, int64_t batch, int64_t queries, int64_t keys) const;
  /// Visible keys of batch row b of B, at most S. Error invalid_argument if a length exceeds S or
  /// there are lengths for another B.
  int64_t length(int64_t b, int64_t batch, int64_t keys) const;
  const std::vector<int64_t>& causal_offsets() const { return causal_offsets_; }
  const std::vector<int64_t>& lengths() const { return lengths_; }
  int64_t left() const { return left_; }
  int64_t right() const { return right_; }  // of the windows alone, whatever causality says
  const std::optional<Segments>& segments() const { return segments_; }
  const std::vector<Tensor>& booleans() const { return booleans_; }
  const std::vector<Tensor>& additives() const { return additives_; }

 private:
  std::vector<Align> causal_aligns_;
  std::vector<int64_t> causal_offsets_;
  std::vector<int64_t> lengths_;
  int64_t left_ = kOpen;
  int64_t right_ = kOpen;
  std::optional<Segments> segments_;
  std::vector<Tensor> booleans_;
  std::vector<Tensor> additives_;
};

}  // namespace heed
