#pragma once

#include <utility>
#include <vector>

#include "heed/nn/params.h"
#include "heed/ops/embedding.h"

namespace heed {

/// Where a table of sinusoids has its columns.
enum class SinusoidOrder {
  pairs,   // a sine, the cosine of the same angle, the next sine
  halves,  // all sines, then all cosines (Marian, Pegasus)
};

/// The table of "Attention Is All You Need", 3.5: [T, C] with p[t, 2i] = sin(t / 10000^(2i/C)) and
/// p[t, 2i + 1] the cosine of the same angle; an odd C ends with a sine.
Tensor sinusoidal_positions(int64_t tokens, int64_t width,
                            SinusoidOrder order = SinusoidOrder::pairs);

/// A vector for each position of a text.
class Positions {
 public:
  Positions() = default;
  /// table [N + P, C]: position p has row unused + p.
  explicit Positions(Tensor table, int64_t unused = 0)
      : table_(std::move(table)), unused_(unused) {}

  /// T positions from first[b] on for each row b: [T, C] f32 where all begin at the same one, else
  /// [B, T, C]. Error invalid_argument for more than there are.
  Tensor operator()(int64_t tokens, const std::vector<int64_t>& first = {0}) const;
  /// The table's own rows, those that belong to no position among them: rows [...] i32 -> [..., C]
  /// f32; row `padding` gets no gradient.
  Tensor rows(const Tensor& rows, int32_t padding) const {
    return embedding(table_, rows, padding);
  }
  int64_t count() const { return table_.size(0) - unused_; }

 private:
  Tensor table_;
  int64_t unused_ = 0;  // rows at the table's beginning
};

/// A trained one: "weight" [N + P, C], of which the first N rows belong to no position (BART's 2).
class LearnedPositions : public Positions {
 public:
  LearnedPositions() = default;
  LearnedPositions(const Params& params, int64_t positions, int64_t width, int64_t unused = 0)
      : Positions(params.tensor("weight", {unused + positions, width}), unused) {}
};

}  // namespace heed
