#pragma once

#include <vector>

#include "heed/nn/params.h"

namespace heed {

/// The table of "Attention Is All You Need", 3.5: [T, C] with p[t, 2i] = sin(t / 10000^(2i/C)) and
/// p[t, 2i + 1] the cosine of the same angle; an odd C ends with a sine.
Tensor sinusoidal_positions(int64_t tokens, int64_t width);

/// A trained vector for each position: "weight" [P, C].
class LearnedPositions {
 public:
  LearnedPositions() = default;
  LearnedPositions(const Params& params, int64_t positions, int64_t width)
      : table_(params.tensor("weight", {positions, width})) {}

  /// T positions from first[b] on for each row b: [T, C] f32 where all begin at the same one, else
  /// [B, T, C]. Error invalid_argument for more than there are.
  Tensor operator()(int64_t tokens, const std::vector<int64_t>& first = {0}) const;
  int64_t count() const { return table_.size(0); }

 private:
  Tensor table_;
};

}  // namespace heed
