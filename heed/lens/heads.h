#pragma once

#include <string_view>
#include <vector>

#include "heed/tensor/tensor.h"

namespace heed {

/// What one head does with a text, in numbers. Each is the mean over the rows (queries) of the
/// text's own tokens; rows of tokens that the tokenizer added count only if there are no others.
struct HeadStatistics {
  float entropy = 0;    // of a row, in nats: 0 looks at one token, ln T at all alike
  float max = 0;        // a row's largest weight
  float first = 0;      // weight on the text's first token
  float separator = 0;  // weight on the other tokens that the tokenizer added ([SEP])
  float self = 0;       // weight on the token itself
  float previous = 0;   // weight on the token before
  float next = 0;       // weight on the token after
  float distance = 0;   // mean |query - key| in tokens, weighted
};

/// weights [T, T] f32, rows sum to 1; added[t]: token t was added by the tokenizer.
HeadStatistics head_statistics(const Tensor& weights, const std::vector<bool>& added);

/// A word for what the head mostly does: "first", "separator", "previous", "next" or "self" if at
/// least kRoleShare of its weight goes there (the largest counts); else "broad" if it spreads as
/// wide as kBroad of what it could; else "near" if it stays within half of the mean distance of a
/// head that looks at all alike; else "mixed".
std::string_view head_role(const HeadStatistics& statistics, const std::vector<bool>& added);

constexpr float kRoleShare = 0.4f;
constexpr float kBroad = 0.85f;  // of the entropy ln T
constexpr float kNear = 0.5f;    // of the distance of even looking

}  // namespace heed
