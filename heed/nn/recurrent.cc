#include "heed/nn/recurrent.h"

#include <fmt/format.h>

#include <algorithm>

#include "heed/ops/activation.h"
#include "heed/ops/elementwise.h"
#include "heed/ops/normalization.h"
#include "heed/ops/recurrent.h"
#include "heed/ops/reduce.h"

namespace heed {
namespace {

Tensor tanh(const Tensor& x) { return activate(x, Activation::tanh); }

/// Column s [B, 1] of where rows have tokens, and of where they have none.
struct Rows {
  Tensor real;
  Tensor over;

  Rows(const std::vector<int64_t>& lengths, int64_t s) {
    const int64_t batch = std::ssize(lengths);
    real = Tensor::empty({batch, 1});
    over = Tensor::empty({batch, 1});
    for (int64_t b = 0; b < batch; ++b) {
      const bool here = s < lengths[static_cast<size_t>(b)];
      real.at({b, 0}) = here ? 1.0F : 0.0F;
      over.at({b, 0}) = here ? 0.0F : 1.0F;
    }
  }

  /// b where rows are real, else a: exactly.
  Tensor choose(const Tensor& a, const Tensor& b) const {
    return add(multiply(b, real), multiply(a, over));
  }
};

}  // namespace

RecurrentLayer::RecurrentLayer(const Params& params, RecurrentCell cell, const Sizes& sizes)
    : cell_(cell), width_(sizes.width) {
  const int64_t outputs = (cell == RecurrentCell::lstm ? 4 : 3) * width_;
  const int64_t columns = sizes.inputs + sizes.context;
  const auto named = [&](const char* name) { return fmt::format("{}_l{}", name, sizes.layer); };
  const Tensor all = params.tensor(named("weight_ih"), {outputs, columns});
  const auto product = [&](const Tensor& weight, const Tensor& bias) {
    return Linear({weight, bias, params.in_place()});
  };
  inputs_ = product(all.slice(1, 0, sizes.inputs), params.tensor(named("bias_ih"), {outputs}));
  if (sizes.context > 0) context_ = product(all.slice(1, sizes.inputs, columns), Tensor());
  states_ = product(params.tensor(named("weight_hh"), {outputs, width_}),
                    params.tensor(named("bias_hh"), {outputs}));
}

RecurrentState RecurrentLayer::start(int64_t batch) const {
  const Tensor zeros = Tensor::zeros({batch, width_});
  return {.h = zeros, .c = cell_ == RecurrentCell::lstm ? zeros : Tensor()};
}

RecurrentState RecurrentLayer::operator()(const Tensor& gates, const RecurrentState& state) const {
  const Tensor from_state = states_(state.h);  // [B, G C]
  if (cell_ == RecurrentCell::gru) return {.h = gru_cell(gates, from_state, state.h), .c = {}};
  const LstmState next = lstm_cell(add(gates, from_state), state.c);
  return {.h = next.h, .c = next.c};
}

Tensor run_steps(const RecurrentLayer& layer, const Tensor& x, const std::vector<int64_t>& lengths,
                 RecurrentState& state, const Run& run) {
  const int64_t tokens = x.size(1);
  const Tensor gates = layer.gates(x);  // [B, S, G C]
  std::vector<Tensor> steps;
  for (int64_t s = 0; s < tokens; ++s) {
    run.step();
    RecurrentState next = layer(gates.select(1, s), state);
    if (std::ranges::all_of(lengths, [&](int64_t length) { return s < length; })) {
      state = std::move(next);
      steps.push_back(state.h.unsqueeze(1));
      continue;
    }
    const Rows rows(lengths, s);
    steps.push_back(multiply(next.h, rows.real).unsqueeze(1));
    state.h = rows.choose(state.h, next.h);
    if (state.c) state.c = rows.choose(state.c, next.c);
  }
  return concatenate(steps, 1);  // [B, S, C]
}

AdditiveAttention::AdditiveAttention(const Params& params, int64_t width)
    : query_(params / "query", width, width, false),
      key_(params / "key", width, width, false),
      score_(params / "score", width, 1, false) {}

Tensor AdditiveAttention::operator()(const Tensor& query, const Tensor& keys, const Tensor& memory,
                                     const Tensor& hidden) const {
  const int64_t batch = memory.size(0), tokens = memory.size(1);
  const Tensor together = tanh(add(query_(query).unsqueeze(1), keys));  // [B, S, C]
  const Tensor scores = score_(together).reshape({batch, 1, tokens});   // [B, 1, S]
  const Tensor weights = softmax(hidden ? add(scores, hidden.unsqueeze(1)) : scores);
  return matmul(weights, memory).select(1, 0);  // [B, C]
}

}  // namespace heed
