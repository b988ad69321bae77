#pragma once

#include <vector>

#include "heed/lessons/arithmetic.h"
#include "heed/lessons/lesson.h"

namespace heed::lessons_internal {

/// The sentence of the lesson "journey": six words, three numbers each.
struct Journey {
  Labels words;
  Tensor x;  // [6, 3]
};
Journey journey();

/// Part two of the lesson: causal masks, dropout, several heads.
void add_causal_steps(std::vector<Step>& steps, const Journey& sentence);
void add_head_steps(std::vector<Step>& steps, const Journey& sentence);

/// Query, key and value products, in the order nn.Linear layers draw them: x [T, C] -> [T, D].
struct Projected {
  Tensor q;
  Tensor k;
  Tensor v;
};
Projected project_linear(TorchRandom& random, const Tensor& x, int64_t outputs);

}  // namespace heed::lessons_internal
