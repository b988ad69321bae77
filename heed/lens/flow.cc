#include "heed/lens/flow.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "heed/base/cancel.h"
#include "heed/base/error.h"
#include "heed/base/parallel.h"
#include "heed/ops/linear.h"
#include "heed/tensor/dims.h"

namespace heed {
namespace {

/// [L, H, T, T] -> (mean over heads + I) / 2, [L, T, T].
Tensor mixing(const Tensor& weights) {
  Dims dims("attention rollout");
  dims.bind("weights", weights, "L H T T", DType::f32);
  const int64_t layers = dims['L'], heads = dims['H'], tokens = dims['T'];
  const Tensor out = Tensor::zeros({layers, tokens, tokens});
  const float share = 0.5f / static_cast<float>(heads);
  for (int64_t l = 0; l < layers; ++l) {
    for (int64_t t = 0; t < tokens; ++t) {
      float* row = &out.at({l, t, 0});
      for (int64_t h = 0; h < heads; ++h) {
        const float* from = &weights.at({l, h, t, 0});
        for (int64_t s = 0; s < tokens; ++s) row[s] += share * from[s];
      }
      row[t] += 0.5f;
    }
  }
  return out;
}

/// A network whose nodes stand in layers: node l T + t is token t before block l. Water runs from a
/// token after the last block down to the inputs, and back where a path gives some up.
class FlowNetwork {
 public:
  explicit FlowNetwork(const Tensor& mixing)
      : layers_(mixing.size(0)),
        tokens_(mixing.size(1)),
        given_(mixing),
        left_(mixing.clone()),
        level_(static_cast<size_t>((layers_ + 1) * tokens_)),
        next_(level_.size()) {}

  /// The maximum flow from the token after the last block to an input token.
  float most(int64_t from, int64_t to) {
    std::ranges::copy(given_.span<const float>(), left_.data<float>());
    double flow = 0;
    while (set_levels(layers_ * tokens_ + from, to)) {
      std::ranges::fill(next_, 0);
      while (const float pushed = push(layers_ * tokens_ + from, to, kEndless)) flow += pushed;
    }
    return static_cast<float>(flow);
  }

 private:
  static constexpr float kEndless = std::numeric_limits<float>::infinity();
  // Capacities are sums of rounded numbers: less than this of them is nothing.
  static constexpr float kNothing = 1e-7f;

  /// The neighbour n of a node: first those one block down, then those one up.
  struct Edge {
    int64_t node;
    float* forward;  // what is left of the edge's capacity, in the direction of flow
    bool down;
    float capacity(float given) const { return down ? *forward : given - *forward; }
  };
  int64_t neighbours() const { return 2 * tokens_; }
  bool edge(int64_t node, int64_t n, Edge& out, float& capacity) const {
    const int64_t layer = node / tokens_, token = node % tokens_;
    const bool down = n < tokens_;
    if (down ? layer == 0 : layer == layers_) return false;
    const int64_t other = down ? n : n - tokens_;
    const int64_t at = down ? ((layer - 1) * tokens_ + token) * tokens_ + other
                            : (layer * tokens_ + other) * tokens_ + token;
    out = {(down ? layer - 1 : layer + 1) * tokens_ + other, left_.data<float>() + at, down};
    capacity = out.capacity(given_.data<float>()[at]);
    return capacity > kNothing;
  }

  bool set_levels(int64_t source, int64_t sink) {
    std::ranges::fill(level_, -1);
    level_[static_cast<size_t>(source)] = 0;
    queue_.assign(1, source);
    Edge edge_out{};
    float capacity = 0;
    for (size_t i = 0; i < queue_.size(); ++i) {
      const int64_t node = queue_[i];
      for (int64_t n = 0; n < neighbours(); ++n) {
        if (!edge(node, n, edge_out, capacity)) continue;
        int32_t& level = level_[static_cast<size_t>(edge_out.node)];
        if (level >= 0) continue;
        level = level_[static_cast<size_t>(node)] + 1;
        queue_.push_back(edge_out.node);
      }
    }
    return level_[static_cast<size_t>(sink)] >= 0;
  }

  /// Depth first along rising levels; at most some hundred nodes deep.
  float push(int64_t node, int64_t sink, float most) {
    if (node == sink) return most;
    Edge out{};
    float capacity = 0;
    for (int32_t& n = next_[static_cast<size_t>(node)]; n < neighbours(); ++n) {
      if (!edge(node, n, out, capacity)) continue;
      if (level_[static_cast<size_t>(out.node)] != level_[static_cast<size_t>(node)] + 1) continue;
      const float pushed = push(out.node, sink, std::min(most, capacity));
      if (pushed <= 0) continue;
      *out.forward += out.down ? -pushed : pushed;
      return pushed;
    }
    return 0;
  }

  int64_t layers_;
  int64_t tokens_;
  Tensor given_;  // [L, T, T]
  Tensor left_;
  std::vector<int32_t> level_;
  std::vector<int32_t> next_;
  std::vector<int64_t> queue_;
};

}  // namespace

Tensor attention_rollout(const Tensor& weights) {
  const Tensor each = mixing(weights);
  const Tensor out = Tensor::empty(each.shape());
  for (int64_t l = 0; l < each.size(0); ++l) {
    check_cancelled();
    const Tensor now = l == 0 ? each.select(0, 0) : matmul(each.select(0, l), out.select(0, l - 1));
    std::ranges::copy(now.contiguous().span<const float>(), out.select(0, l).data<float>());
  }
  return out;
}

Tensor attention_flow(const Tensor& weights, int64_t token) {
  const Tensor each = mixing(weights);
  const int64_t tokens = each.size(1);
  if (token < 0 || token >= tokens) {
    throw Error(
        ErrorCode::invalid_argument,
        fmt::format("attention flow: needed a token from 0 to {}, found {}", tokens - 1, token));
  }
  if (tokens > kMostFlowTokens) {
    throw Error(ErrorCode::invalid_argument,
                fmt::format("attention flow: needed at most {} tokens, found {}; rollout has no "
                            "such limit",
                            kMostFlowTokens, tokens));
  }
  const Tensor out = Tensor::empty({tokens});
  parallel_for(tokens, [&](int64_t to, int) {
    check_cancelled();
    out.at({to}) = FlowNetwork(each).most(token, to);
  });
  return out;
}

}  // namespace heed
