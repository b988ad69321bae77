#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "heed/tensor/tensor.h"

namespace heed {

/// Which corner a causal mask's diagonal starts from when queries T and keys S differ: query i sees
/// keys j <= i (top_left) or j <= i + S - T (bottom_right). Vendors disagree, so there is no
/// default.
enum class Align { top_left, bottom_right };

/// Which keys each query sees, as a value: parts combine by "and" with &. An empty Mask hides
/// nothing. Boolean and additive parts are views, broadcast to [B, H, T, S] and never copied per
/// head.
class Mask {
 public:
  Mask() = default;
  static Mask causal(Align align);
  /// Query i of batch row b sees keys j <= i + offsets[b] (one offset serves every row). Error
  /// invalid_argument if there is none.
  static Mask causal(std::vector<int64_t> offsets);
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
  /// What alignments and offsets come to for batch row b of B: its queries i see keys j <= i +
  /// this. Absent: no causal part. Error invalid_argument if there are offsets for another B.
  std::optional<int64_t> causal_offset(int64_t b, int64_t batch, int64_t queries,
                                       int64_t keys) const;
  /// Visible keys of batch row b of B, at most S. Error invalid_argument if a length exceeds S or
  /// there are lengths for another B.
  int64_t length(int64_t b, int64_t batch, int64_t keys) const;
  /// Every alignment asked for: a query sees what all of them allow.
  const std::vector<Align>& causal_aligns() const { return causal_aligns_; }
  const std::vector<int64_t>& causal_offsets() const { return causal_offsets_; }
  const std::vector<int64_t>& lengths() const { return lengths_; }
  const std::vector<Tensor>& booleans() const { return booleans_; }
  const std::vector<Tensor>& additives() const { return additives_; }

 private:
  std::vector<Align> causal_aligns_;
  std::vector<int64_t> causal_offsets_;
  std::vector<int64_t> lengths_;
  std::vector<Tensor> booleans_;
  std::vector<Tensor> additives_;
};

}  // namespace heed
