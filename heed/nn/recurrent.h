#pragma once

#include <vector>

#include "heed/nn/linear.h"
#include "heed/nn/run.h"

namespace heed {

enum class RecurrentCell {
  lstm,  // Hochreiter and Schmidhuber, 1997, with forget gates (Gers et al., 2000)
  gru,   // Cho et al., 2014
};

/// What a recurrent layer remembers of the steps so far.
struct RecurrentState {
  Tensor h;  // [B, C], what the step gives
  Tensor c;  // [B, C], an LSTM's cell; undefined for a GRU
};

/// One layer of nn.LSTM or nn.GRU, by its weights' names: weight_ih_l0 [G C, K] and bias_ih_l0 from
/// the inputs, weight_hh_l0 [G C, C] and bias_hh_l0 from the state, G = 4 gates (input, forget,
/// cell, output) or 3 (reset, update, new). The inputs' columns may come in two parts: K of what is
/// known beforehand, and a context that every step finds for itself.
class RecurrentLayer {
 public:
  struct Sizes {
    int64_t inputs;  // K
    int64_t width;   // C
    int64_t layer = 0;
    int64_t context = 0;  // columns after the inputs
  };
  RecurrentLayer(const Params& params, RecurrentCell cell, const Sizes& sizes);

  /// Nothing remembered: zeros.
  RecurrentState start(int64_t batch) const;
  /// What inputs x [..., K] add to the gates, for all steps at once: [..., G C].
  Tensor gates(const Tensor& x) const { return inputs_(x); }
  /// What a context [B, X] adds to them: [B, G C].
  Tensor context_gates(const Tensor& x) const { return context_(x); }
  /// One step from the gates' sums [B, G C] over the inputs.
  RecurrentState operator()(const Tensor& gates, const RecurrentState& state) const;

 private:
  RecurrentCell cell_;
  int64_t width_;
  Linear inputs_;
  Linear context_;
  Linear states_;
};

/// All steps of an encoder: x [B, S, K] -> each step's h [B, S, C]; state becomes the last one.
/// Rows keep their state after their length (empty: all S), as packed sequences do in PyTorch, and
/// give zeros there. The run's observer is told of each step.
Tensor run_steps(const RecurrentLayer& layer, const Tensor& x, const std::vector<int64_t>& lengths,
                 RecurrentState& state, const Run& run);

/// "Neural machine translation by jointly learning to align and translate" (Bahdanau et al., 2015),
/// 3.1: weights softmax_s(v . tanh(W q + U m_s)) over the memory's states m_s. Weights "query" W
/// and "key" U [C, C], "score" v [1, C].
class AdditiveAttention {
 public:
  AdditiveAttention() = default;
  AdditiveAttention(const Params& params, int64_t width);

  /// U m, the same for all queries: memory [B, S, C] -> [B, S, C].
  Tensor keys(const Tensor& memory) const { return key_(memory); }
  /// The weighted sum of the memory's states for one query: query [B, C], keys and memory [B, S, C]
  /// -> [B, C]. hidden [B, S] is added to the scores: 0, or -inf where there is nothing; may be
  /// undefined.
  Tensor operator()(const Tensor& query, const Tensor& keys, const Tensor& memory,
                    const Tensor& hidden) const;

 private:
  Linear query_;
  Linear key_;
  Linear score_;
};

}  // namespace heed
