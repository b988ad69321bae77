#pragma once

#include <optional>
#include <string>
#include <vector>

#include "heed/lessons/lesson.h"
#include "heed/tensor/tensor.h"

namespace heed {

/// Numbers of one's own to walk attention through.
struct AttentionWalk {
  Tensor x;                           // [T, C] f32, one row a word
  std::vector<std::string> words;     // T labels; empty: x1, x2, ...
  std::vector<std::string> features;  // C labels; empty: 1, 2, ...
  Tensor w_query;                     // [C, D], as x W; absent: the identity
  Tensor w_key;                       // [C, D]
  Tensor w_value;                     // [C, E]
  int64_t heads = 1;                  // D and E are cut into so many
  bool causal = false;
  std::optional<float> scale;  // absent: 1 / sqrt(D / heads)
};

/// A walk prints T x T tables; more rows than this are an error.
inline constexpr int64_t kMaxWalkTokens = 2048;

/// Queries, keys, values, scores, weights and the result, as steps. Error invalid_argument where
/// shapes disagree or heads does not divide D and E.
std::vector<Step> walk_attention(const AttentionWalk& given);

}  // namespace heed
