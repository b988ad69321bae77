#pragma once

#include <cstdint>

#include "heed/tensor/tensor.h"

namespace heed {

/// How much of each input token's vector is in each token's after a layer, if attention alone mixed
/// them (Abnar and Zuidema, "Quantifying attention flow in transformers", 2020): weights are those
/// of a layer's heads, averaged, and half of a token stays what it was.
///
/// Rollout: A_l = (W_l + I) / 2, R_l = A_l R_(l-1). weights [L, H, T, T] f32 -> [L, T, T], rows sum
/// to 1. Cost: 2 L T^3 flops.
Tensor attention_rollout(const Tensor& weights);

/// Flow: the most that can pass from `token` after the last layer down to each input token when the
/// entries of A_l are capacities: a maximum flow for each of them, found by Dinic's algorithm on L
/// T^2 edges. weights [L, H, T, T] -> [T]. Error invalid_argument above kMostFlowTokens.
Tensor attention_flow(const Tensor& weights, int64_t token);

constexpr int64_t kMostFlowTokens = 256;

}  // namespace heed
